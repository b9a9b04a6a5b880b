"""The techniques that a study compares: read from a file and checked."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from mmmask.errors import InputError, nearest
from mmmask.evaluation.calibration import METHODS
from mmmask.evaluation.decision import RULES
from mmmask.models.feature_training import FeatureTraining
from mmmask.models.head_training import Schedule
from mmmask.models.tta import VIEWS
from mmmask.shipped import find_space
from mmmask.workflows.studies.commands import ONE_ATTRIBUTE
from mmmask.workflows.studies.partial_labels import check_hidden
from mmmask.workflows.studies.sweep_space import read_python

#: What of a config a technique may change: all else has no effect on a head on frozen features.
CONFIG = (
    "head",
    "data.old_from",
    "data.drop_ages",
    "data.drop",
    "data.corrections",
    "data.samples",
)
#: The name of the file of features that the study is given.
BASE = "base"
EXPECTED = ("better", "worse", None)
_SOURCE = ("config", "options", "view", "columns")
_GROUP = ("name", "baseline", "techniques")


@dataclass(frozen=True, kw_only=True)
class Technique:
    """One way to train a head and to use it.

    Attributes:
        name: Of the technique, within its group.
        claim: What is tested, and whose claim it is.
        expects: ``better`` or ``worse`` than the baseline; None: nothing is claimed.
        config: Dotted name -> value in the config: the head, and the labels that it learns.
        training: Options of :class:`mmmask.models.head_training.Schedule`.
        sampler: Config of a registered sampler; None: each photo once in each epoch.
        calibration: Method by which the probabilities of each fold are calibrated on the others.
        decision: Rule of the answers; ``macro-f1`` needs a calibration.
        corrections: ``found``: labels that models of other training people speak against are
            corrected in training.
        pseudo_labels: Least probability with which a first head must label a photo of ``eval/``,
            which then joins the training; 0 takes all.
        features: Names of files of features, side by side.
        train_views: Further files, whose rows are more training photos.
        test_views: Files over which the probabilities are averaged; empty: ``features`` alone.
        people: Share of the training people that is learned from.
        label_noise: Share of the training people whose gender or age group is made wrong.
        without_source: Data set, as the column ``source`` names it, whose photos are not learned
            from; its people are predicted like all others.
        hide: What is not known of the training people: ``kind``, one of ``HIDDEN``, and ``share``
            of those of whom all is known, see :func:`partial_labels.hidden`. Each seed and fold
            deals the people anew.
        learn: One of ``LEARN``: how it learns from what is known.
        hidden: Options of :class:`mmmask.models.hidden_layer.HiddenLayer` between features and
            head, without ``in_channels``; then ``training`` has those of :class:`FeatureTraining`.
    """

    name: str
    claim: str = ""
    expects: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    sampler: Mapping[str, Any] | None = None
    calibration: str | None = None
    decision: str = "argmax"
    corrections: str | None = None
    pseudo_labels: float | None = None
    features: Sequence[str] = (BASE,)
    train_views: Sequence[str] = ()
    test_views: Sequence[str] = ()
    people: float = 1.0
    label_noise: float = 0.0
    without_source: str | None = None
    hide: Mapping[str, Any] | None = None
    learn: str = "all"
    hidden: Mapping[str, Any] | None = None

    @property
    def schedule(self) -> Schedule | FeatureTraining:
        """How its head is trained."""
        return self.schedules(**self.training)

    @property
    def schedules(self) -> type[Schedule] | type[FeatureTraining]:
        """What its ``training`` is about."""
        return Schedule if self.hidden is None else FeatureTraining

    @property
    def files(self) -> tuple[str, ...]:
        """Names of all features that it needs."""
        return tuple(dict.fromkeys((*self.features, *self.train_views, *self.test_views)))


#: Keys of a technique that are no part of how it is trained.
TOLD = ("name", "claim", "expects")
_KEYS = tuple(one.name for one in fields(Technique))


@dataclass(frozen=True)
class Group:
    """Techniques that are compared with one baseline."""

    name: str
    baseline: Technique
    techniques: Sequence[Technique]


@dataclass(frozen=True)
class Techniques:
    """What a file of techniques states.

    Attributes:
        features: Name -> how a file of features is made: ``config`` (name of a config; the study's
            own by default), ``options`` of it, ``view`` of the photos; or ``columns`` (first, end)
            of the study's own file.
        groups: The groups, in order.
    """

    features: Mapping[str, Mapping[str, Any]]
    groups: Sequence[Group]

    @property
    def needed(self) -> list[str]:
        """Names of the features that some technique needs."""
        every = [one for group in self.groups for one in (group.baseline, *group.techniques)]
        return list(dict.fromkeys(name for one in every for name in one.files))


def read_techniques(path: str | Path, sources: Sequence[str] = ()) -> Techniques:
    """Read a Python file that states ``features`` and ``groups``.

    A technique has all that its group's baseline has, but for what it states itself.

    Args:
        path: Of the file, or the name of one that comes with mmmask.
        sources: Names of data sets; each group gets a technique without each of them.

    Raises:
        MissingFileError: No such file.
        InputError: The file is no such list; a key or value is unknown.
    """
    stated = _read(find_space(path))
    features = {name: _source(path, name, value) for name, value in stated["features"].items()}
    without = [{"name": f"without {name}", "without_source": name} for name in sources]
    groups = [_group(path, entry, features, without) for entry in stated["groups"]]
    names = [group.name for group in groups]
    if not groups or len(set(names)) < len(names):
        raise InputError(
            f"{path}: groups must be a list of at least one dict, each with its own name"
        )
    return Techniques(features, groups)


def _read(path: Path) -> dict[str, Any]:
    stated = read_python(path, "list of techniques", ["features", "groups"])
    for name, kind in (("features", dict), ("groups", list)):
        if not isinstance(stated[name], kind):
            raise InputError(f"{path}: {name} must be a {kind.__name__}; got {stated[name]!r}")
    return stated


def _source(path: str | Path, name: str, value: Any) -> dict[str, Any]:
    """Return how a file of features is made, checked."""
    where = f"{path}: features[{name!r}]"
    if name == BASE or not re.fullmatch(r"\w+", name):
        raise InputError(f"{where}: a name has letters, digits and _, and is not {BASE}")
    _check_keys(where, value, _SOURCE)
    if "columns" in value and (len(value) > 1 or len(value["columns"]) != 2):
        raise InputError(f"{where}: columns must be two numbers, without other keys; got {value!r}")
    if value.get("view", "identity") not in VIEWS:
        known = ", ".join(VIEWS)
        raise InputError(f"{where}: view must be one of {known}; got {value['view']!r}")
    return dict(value)


def _group(
    path: str | Path,
    entry: Any,
    features: Mapping[str, Any],
    more: Sequence[Mapping[str, Any]],
) -> Group:
    _check_keys(f"{path}: a group", entry, _GROUP, needed=_GROUP)
    where = f"{path}: group {entry['name']!r}"
    baseline = _technique(where, entry["baseline"], {}, features)
    inherited = {key: value for key, value in entry["baseline"].items() if key not in TOLD}
    techniques = [
        _technique(where, one, inherited, features) for one in (*entry["techniques"], *more)
    ]
    names = [one.name for one in (baseline, *techniques)]
    if not techniques or len(set(names)) < len(names):
        raise InputError(
            f"{where}: needs techniques, each with a name of its own; got {', '.join(names)}"
        )
    return Group(entry["name"], baseline, techniques)


def _technique(
    where: str, entry: Any, inherited: Mapping[str, Any], features: Mapping[str, Any]
) -> Technique:
    """Return a technique, its keys and values checked."""
    _check_keys(f"{where}, a technique", entry, _KEYS, needed=("name",))
    where = f"{where}, {entry['name']!r}"
    config = {**inherited.get("config", {}), **entry.get("config", {})}
    for name in config:
        if not any(f"{name}.".startswith(f"{part}.") for part in CONFIG):
            raise InputError(
                f"{where}: config may change {', '.join(CONFIG)}: a head on frozen features knows "
                f"nothing else; got {name}"
            )
    technique = Technique(**{**inherited, **entry, "config": config})
    options = [one.name for one in fields(technique.schedules)]
    _check_keys(f"{where}: training", technique.training, options)
    _ = technique.schedule
    known = (BASE, *features)
    for name in technique.files:
        if name not in known:
            raise InputError(f"{where}: features must be among {', '.join(known)}; got {name!r}")
    _check_values(where, technique)
    return technique


def _check_values(where: str, one: Technique) -> None:
    """Refuse values that are none of the allowed, or that go together with no other."""
    head = one.config.get("head.type", (one.config.get("head") or {}).get("type"))
    for key, value, allowed in (
        ("expects", one.expects, EXPECTED),
        ("calibration", one.calibration, (None, *METHODS)),
        ("decision", one.decision, RULES),
        ("corrections", one.corrections, (None, "found")),
    ):
        if value not in allowed:
            shown = ", ".join(map(str, allowed))
            raise InputError(f"{where}: {key} must be one of {shown}; got {value!r}")
    for key, share, right in (
        ("pseudo_labels", one.pseudo_labels, 0 <= (one.pseudo_labels or 0) < 1),
        ("people", one.people, 0 < one.people <= 1),
        ("label_noise", one.label_noise, 0 <= one.label_noise < 1),
    ):
        if not right:
            raise InputError(f"{where}: {key} must be a share from 0 to 1; got {share!r}")
    if one.decision != "argmax" and one.calibration is None:
        raise InputError(f"{where}: decision {one.decision} needs a calibration; got none")
    if (one.train_views or one.test_views) and len(one.features) > 1:
        raise InputError(
            f"{where}: views must be of one file of features; got {', '.join(one.features)}"
        )
    check_hidden(where, one.hide, one.learn)
    for key in ("sampler", "corrections", "pseudo_labels") if one.hide else ():
        if getattr(one, key) is not None:
            raise InputError(
                f"{where}: {key} needs the label of each photo, and hide takes some; got both"
            )
    for key in ("sampler", "train_views") if one.hidden is not None else ():
        if getattr(one, key):
            raise InputError(f"{where}: {key} has no effect on a hidden layer; got both")
    if one.hidden is not None:
        _check_keys(f"{where}: hidden", one.hidden, ("width", "dropout", "columns"), ("width",))
    if head in ONE_ATTRIBUTE:
        raise InputError(f"{where}: the head must predict the 18 classes; got {head}")


def _check_keys(where: str, entry: Any, known: Sequence[str], needed: Sequence[str] = ()) -> None:
    if not isinstance(entry, Mapping):
        raise InputError(f"{where}: must be a dict with {', '.join(known)}; got {entry!r}")
    for key in entry:
        if key not in known:
            raise InputError(
                f"{where}: unknown key {key!r}; known are {', '.join(known)}{nearest(key, known)}"
            )
    for key in needed:
        if key not in entry:
            raise InputError(f"{where}: {key} is missing; got {', '.join(entry) or 'nothing'}")
