"""What is known of a photo, and how a command line or a file states it."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from mmmask.errors import InputError, nearest
from mmmask.labels import GENDERS, MASKS, NUM_CLASSES, OLDEST

#: What is known of a photo: columns of the samples table by name, those that are known.
Facts = Mapping[str, Any]

WORDS: Mapping[str, Sequence[str]] = {"mask": MASKS, "gender": GENDERS}
AGES = ("age", "age_from", "age_to")
#: What a command line can state of photos.
STATED = (*WORDS, *AGES, "label")
#: What stands behind the = of a mapping to leave photos out.
LEFT_OUT = "-"

_RANGES = (
    (re.compile(r"(\d{1,4})-(\d{1,4})"), lambda first, last: (first, last)),
    (re.compile(r"(\d{1,4})[-+]"), lambda first: (first, None)),
    (re.compile(r">=\s*(\d{1,4})"), lambda first: (first, None)),
    (re.compile(r"<\s*(\d{1,4})"), lambda last: (None, last - 1)),
)
_YEARS = re.compile(r"(\d{1,4})(?:\.0*)?")


def value_of(field: str, text: str) -> dict[str, Any]:
    """Return what a value of a field says, ``age`` also as a range such as ``30-59`` or ``60-``.

    Raises:
        InputError: Names the field, what is allowed and the value, but not where it stands.
    """
    text = text.strip()
    if field in WORDS:
        if text not in WORDS[field]:
            words, close = ", ".join(WORDS[field]), nearest(text, WORDS[field])
            raise InputError(f"{field} must be one of {words}; got {text!r}{close}")
        return {field: text}
    if field == "label":
        if not (text.isdecimal() and text.isascii() and int(text) < NUM_CLASSES):
            raise InputError(f"label must be a class from 0 to {NUM_CLASSES - 1}; got {text!r}")
        return {field: int(text)}
    if field not in AGES:
        raise InputError(
            f"the field must be one of {', '.join(STATED)}; got {field!r}{nearest(field, STATED)}"
        )
    years = _YEARS.fullmatch(text)
    first, last = (int(years[1]),) * 2 if years else _range(text)
    bounds = [bound for bound in (first, last) if bound is not None]
    if not bounds or (not years and field != "age") or sorted(bounds) != bounds:
        allowed = "whole years" + (", or a range such as 30-59 or 60-" if field == "age" else "")
        raise InputError(f"{field} must be {allowed}; got {text!r}")
    if bounds[0] < 0 or bounds[-1] > OLDEST:
        raise InputError(f"{field} must be from 0 to {OLDEST} years; got {text!r}")
    if years:
        return {field: first}
    spans = {"age_from": first, "age_to": last}
    return {name: bound for name, bound in spans.items() if bound is not None}


def _range(text: str) -> tuple[int | None, int | None]:
    """Return the first and the last year of a range, None where it is open or no range."""
    for pattern, bounds in _RANGES:
        if found := pattern.fullmatch(text):
            return bounds(*map(int, found.groups()))
    return None, None


def facts_of(text: str, field: str | None = None) -> dict[str, Any]:
    """Return what a text such as ``wear``, ``12`` or ``gender:male,age:60-`` says.

    Args:
        text: Items separated by commas: ``FIELD:VALUE``, or a value alone. Empty: nothing.
        field: What a value alone is a value of. None finds out: a number is a class from 0 to
            17, and an age is a range such as ``60-`` or ``>=60``.

    Raises:
        InputError: An item is not understood, or contradicts another.
    """
    parts = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, colon, value = item.partition(":")
        parts.append(value_of(name.strip(), value) if colon else _bare(item, field))
    return joined(*parts)


def _bare(word: str, field: str | None) -> dict[str, Any]:
    """Return what a word without the name of a field says."""
    if field is not None:
        return value_of(field, word)
    for name, words in WORDS.items():
        if word in words:
            return {name: word}
    if word.isdecimal():
        return value_of("label", word)
    if _range(word) != (None, None):
        return value_of("age", word)
    words = [word for words in WORDS.values() for word in words]
    raise InputError(
        f"{word!r} is none of {', '.join(words)}, a class from 0 to {NUM_CLASSES - 1}, or a range "
        f"of ages such as 60-{nearest(word, words)}"
    )


def joined(*parts: Facts) -> dict[str, Any]:
    """Return all that is known; the age in years makes a range that holds it needless.

    Raises:
        InputError: Two parts contradict each other.
    """
    facts: dict[str, Any] = {}
    for part in parts:
        for name, value in part.items():
            if facts.setdefault(name, value) != value:
                raise InputError(f"{name} is {facts[name]!r}, and also said to be {value!r}")
    first, last = facts.get("age_from", 0), facts.get("age_to", OLDEST)
    if first > last:
        raise InputError(f"age_from must be at most age_to; got {first} and {last}")
    if "age" in facts:
        if not first <= facts["age"] <= last:
            raise InputError(f"age is {facts['age']}, and also said to be from {first} to {last}")
        facts = {name: facts[name] for name in facts if name not in ("age_from", "age_to")}
    return facts


def read_map(texts: Sequence[str], *, by_field: bool = False) -> dict[str, dict[str, Any] | None]:
    """Return name -> what ``NAME=FACTS`` says of its photos; None leaves them out (``NAME=-``).

    ``by_field`` says that a name is ``FIELD:VALUE``; a value alone is then one of that field.

    Raises:
        InputError: A text has another form, or a name is mapped twice.
    """
    mapping: dict[str, dict[str, Any] | None] = {}
    for name, facts in pairs(texts, "--map").items():
        field = name.partition(":")[0] if by_field else None
        try:
            mapping[name] = None if facts == LEFT_OUT else facts_of(facts, field)
        except InputError as error:
            raise InputError(f"--map {name}: {error}") from error
    return mapping


def pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    """Return the names and values of ``NAME=VALUE`` texts of an option.

    Raises:
        InputError: A text has no =, or no name, or a name stands there twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.rpartition("=")  # a folder may be called so, a value is not
        name = name.strip()
        if not equals or not name:
            raise InputError(f"{option} takes NAME=VALUE; got {text!r}")
        if name in found:
            raise InputError(f"{option} names {name!r} twice")
        found[name] = value.strip()
    return found


def refuse_unused(mapping: Collection[str], seen: Collection[str], what: str) -> None:
    """Refuse a mapping of names that the data does not have; ``what`` says what they are."""
    unused = sorted(set(mapping) - set(seen))
    if unused:
        raise InputError(f"--map: no {what} {unused[0]!r}{nearest(unused[0], seen)}")
