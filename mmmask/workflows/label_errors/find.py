"""Find labels that are probably wrong, from out-of-fold predictions, and list them for review."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from mmmask.datasets.corrections import SWAP, correct, read_corrections
from mmmask.datasets.data_source import DataSource
from mmmask.datasets.layout import with_labels
from mmmask.errors import InputError
from mmmask.evaluation.calibrated_tables import true_values
from mmmask.evaluation.jackknife import Interval
from mmmask.evaluation.label_issues import (
    Channel,
    Judged,
    age_channel,
    best_alternative,
    class_channel,
    error_rate,
    judge,
    log_odds,
    log_p_of_people,
    median_elsewhere,
    swap_ratios,
)
from mmmask.evaluation.scores import TINY
from mmmask.known import classes_of, truths_of
from mmmask.labels import (
    AGE_GROUPS,
    GENDERS,
    MASKS,
    NUM_YEARS,
    OLD_FROM,
    age_group,
    age_reached,
    marginals,
)
from mmmask.ledger.provenance import file_hash, made_now
from mmmask.tables import LABEL_ISSUES, write_table
from mmmask.workflows.ensemble.members import Members, read_members

#: Splits whose people a model may have learned from, or whose labels are unknown.
NOT_HELD_OUT = ("train", "all", "eval")
#: Standard deviation of the years by which a right age and the age that shows differ. Small
#: networks trained on few people err by about as much; of 2 to 12 years, 8 ranked planted errors
#: best.
AGE_BLUR = 8.0
INCORRECT, NORMAL = MASKS.index("incorrect"), MASKS.index("normal")
_GROUP_OF_YEAR = age_group(np.arange(NUM_YEARS))
_STATE_IN_WORDS = {0: "worn", 1: "worn wrongly", 2: "without mask", -1: "mask unknown"}

#: Label issues, each as person, photo, proposed value, log odds that it is wrong, and reason.
Rows = list[tuple[str, str, str, float, str]]


@dataclass(frozen=True)
class LabelErrors:
    """What :func:`find_label_errors` finds.

    Attributes:
        issues: Table of ``mmmask.tables.LABEL_ISSUES``.
        summary: One row per kind: ``labels``, how many were examined (of people, or of photos
            for the mask); ``wrong``, the :class:`~mmmask.evaluation.jackknife.Interval` of how
            many of them are; ``votes``, how many independent votes the photos of a person count
            as (NaN for the mask); ``listed``, and how many of these are expected to be wrong:
            ``listed_wrong``.
    """

    issues: pd.DataFrame
    summary: pd.DataFrame


class HeldOut(NamedTuple):
    """Labelled photos, and what models that did not learn from them predict.

    Attributes:
        samples: Samples table of the photos.
        labels: Attribute -> (N,) labels of the photos, which may be wrong; -1 where unknown.
        parts: Attribute -> (N, C) probabilities of each model that predicts it.
        years: (N, 121) of each model that predicts ages; of one that knows groups alone, all
            years of a group have the group's probability. None where no model knows years.
        people: Names of the P people.
        person: (N,) number of the person of each photo.
        first: (P,) row of the first photo of each person.
    """

    samples: pd.DataFrame
    labels: Mapping[str, NDArray[np.int64]]
    parts: Mapping[str, Sequence[NDArray[np.floating]]]
    years: Sequence[NDArray[np.floating]] | None
    people: NDArray
    person: NDArray[np.int64]
    first: NDArray[np.int64]


def find_label_errors(
    predictions: Sequence[str | Path],
    out: str | Path,
    *,
    data_root: str | Path = "data",
    corrections: str | Path | None = None,
    calibrations: Sequence[str | Path] = (),
    top: int = 40,
    min_score: float = 0.1,
) -> LabelErrors:
    """Rank the labels that the predictions speak against, and write corrections to review.

    Gender and age belong to the person: the photos of a person are pooled, see
    :func:`mmmask.evaluation.label_issues.fit_votes`. The state of the mask belongs to the photo;
    in addition, a person's photos ``incorrect_mask`` and ``normal`` may be swapped. Each label is
    doubted of the photos that know it, ages of those that know the year.

    Args:
        predictions: Tables of models that did not learn from the people in them. Several are
            weighed against each other; models of one attribute serve for that one.
        out: Table of label issues to write (.csv or .parquet).
        data_root: Folder with ``train/``, which knows the ages in years.
        corrections: csv of corrections that the models were trained with.
        calibrations: One per table, or none.
        top: The most label issues to list per kind.
        min_score: The lowest probability of a wrong label to list.

    Raises:
        InputError: No table has labels or people, or one is not out of fold, does not match the
            others, or has other labels than the data have now.
    """
    if top < 1:
        raise InputError(f"--top must be at least 1; got {top}")
    if not 0 <= min_score <= 1:
        raise InputError(f"--min-score must be from 0 to 1; got {min_score:g}")
    photos = read_held_out(predictions, data_root, corrections, calibrations)
    issues, summary = ranked_issues(photos, top=top, min_score=min_score)
    provenance = {
        "inputs": [{"path": str(path), "hash": file_hash(Path(path))} for path in predictions],
        "corrections": None if corrections is None else str(corrections),
        "calibrations": [str(path) for path in calibrations],
        **made_now(),
    }
    write_table(out, issues, LABEL_ISSUES, provenance)
    return LabelErrors(issues, summary)


def ranked_issues(
    held_out: HeldOut, *, top: int, min_score: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return issues and summary as of :class:`LabelErrors`; the options of the former."""
    finders = {"gender": gender_issues, "mask": mask_issues, "age": age_issues}
    tables, summary = [], []
    for kind, find in finders.items():
        if kind not in held_out.parts:
            continue
        known = _knowing(held_out, kind)
        if not len(known.samples):
            continue
        rows, counts = find(known)
        table = pd.DataFrame(rows, columns=["person", "photo", "value", "odds", "reason"])
        table = table.assign(kind=kind, field=kind, probability=expit(table["odds"]))
        # By their odds: many probabilities may be 1.
        table = table.sort_values("odds", ascending=False, kind="stable")
        table = table[table["probability"] >= min_score].head(top)
        tables.append(table)
        listed = {"listed": len(table), "listed_wrong": table["probability"].sum()}
        summary.append({"kind": kind, **counts, **listed})
    if not tables:
        raise InputError(f"no photo has a known {' or '.join(held_out.parts)}, which are predicted")
    issues = pd.concat(tables, ignore_index=True)[list(LABEL_ISSUES)]
    return issues, pd.DataFrame(summary)


def _knowing(held_out: HeldOut, kind: str) -> HeldOut:
    """Return the photos that know an attribute, of age the year."""
    known = held_out.labels[kind] >= 0
    if kind == "age":
        known &= held_out.samples["age"].notna().to_numpy()
    if known.all():
        return held_out
    parts = {name: [part[known] for part in each] for name, each in held_out.parts.items()}
    years = None if held_out.years is None else [each[known] for each in held_out.years]
    return photos_held_out(held_out.samples[known].reset_index(drop=True), parts, years)


def read_held_out(
    paths: Sequence[str | Path],
    data_root: str | Path,
    corrections: str | Path | None = None,
    calibrations: Sequence[str | Path] = (),
) -> HeldOut:
    """Read out-of-fold predictions, split them by attribute, and find the labels of the photos.

    Raises:
        InputError: As :func:`find_label_errors` says.
    """
    members = read_members(paths, calibrations)
    check_held_out(members)
    samples = labelled_as(members.keys, members.each[0].path, data_root, corrections)
    parts: dict[str, list[NDArray[np.floating]]] = {}
    years: list[NDArray[np.floating]] = []
    known = False
    for member in members.each:
        given, by_year = member.read(years=True)
        # One memory order, so that sums are the same to the last bit in any order of rows.
        given = np.asfortranarray(given, dtype=np.float64)
        one = {member.attribute: given} if member.attribute else marginals(given)
        for name, part in one.items():
            parts.setdefault(name, []).append(part)
        if "age" in one:
            known |= by_year is not None
            years.append(one["age"][:, _GROUP_OF_YEAR] if by_year is None else by_year)
    return photos_held_out(samples, parts, years if known else None)


def photos_held_out(
    samples: pd.DataFrame,
    parts: Mapping[str, Sequence[NDArray[np.floating]]],
    years: Sequence[NDArray[np.floating]] | None,
) -> HeldOut:
    """Return labelled photos with what is predicted of them, in their order."""
    people, first, person = np.unique(
        samples["person"].to_numpy(dtype=str), return_index=True, return_inverse=True
    )
    labels = truths_of(samples)
    return HeldOut(samples, labels, parts, years, people, person, first)


def check_held_out(members: Members) -> None:
    """Refuse tables without people or labels, or of people whom a model has learned."""
    for member in members.each:
        path, stated = member.path, member.provenance
        if member.submission:
            raise InputError(f"{path}: must be predictions, with probabilities; got a submission")
        check_split(path, stated)
        if stated.get("old_from") not in (None, OLD_FROM):
            raise InputError(
                f"{path}: old_from must be {OLD_FROM}, the age cut of the labels; "
                f"got {stated['old_from']}"
            )
    path = members.each[0].path
    if "fits" not in members.keys:
        true_values(members.keys, path)
    if "person" not in members.keys:
        raise InputError(
            f"{path}: column person must name the person of each photo; it has gaps or is missing"
        )


def check_split(path: Path, stated: Mapping[str, Any]) -> None:
    """Refuse predictions whose provenance says that the model may have learned from the people."""
    if stated.get("split") in NOT_HELD_OUT:
        raise InputError(
            f"{path}: split must be oof or val, predictions of people that the model did not "
            f"learn from; got {stated['split']}"
        )


def labelled_as(
    table: pd.DataFrame, path: Path, data_root: str | Path, corrections: str | Path | None
) -> pd.DataFrame:
    """Return the samples of the predicted photos; refuse labels that are not the predictions'."""
    samples = DataSource.at(data_root).train()
    if corrections is not None:
        samples = correct(samples, read_corrections(corrections), str(corrections))
    samples = with_labels(samples).set_index("image", drop=False)
    unknown = table.loc[~table["image"].isin(samples.index), "image"]
    if len(unknown):
        raise InputError(
            f"{path}: {len(unknown)} of its photos are not in {data_root}, "
            f"such as {unknown.iloc[0]}"
        )
    samples = samples.loc[table["image"]].reset_index(drop=True)
    different = (classes_of(samples) != classes_of(table)).any(axis=1)
    if different.any():
        raise InputError(
            f"{path}: {different.sum()} photos have another label than in {data_root}, "
            f"such as {table['image'][different].iloc[0]}; give the --corrections of the training"
        )
    return samples


def gender_issues(held_out: HeldOut) -> tuple[Rows, dict[str, Any]]:
    """Return the other gender of each person with its log odds, and counts for the summary."""
    parts, labels = held_out.parts["gender"], held_out.labels["gender"][held_out.first]
    judged = _judge_people(held_out, parts, class_channel(labels, len(GENDERS)))
    proposed, rate = best_alternative(judged.log_p, labels), error_rate(judged.ratios)
    odds = log_odds(judged.ratios, rate.value)
    probability = np.mean(parts, axis=0)[np.arange(len(held_out.person)), proposed[held_out.person]]
    by_state = pd.Series(probability).groupby([held_out.person, held_out.labels["mask"]]).mean()
    said = by_state.map("{:.2f} ".format) + by_state.index.get_level_values(1).map(_STATE_IN_WORDS)
    said = said.groupby(level=0).agg(", ".join)
    rows: Rows = []
    for number, person in enumerate(held_out.people):
        label, value = GENDERS[labels[number]], GENDERS[proposed[number]]
        reason = f"labelled {label}; the photos say {value}: {said[number]}"
        rows.append((person, "*", value, odds[number], reason))
    return rows, _counts(len(labels), _times(rate, len(labels)), judged)


def mask_issues(held_out: HeldOut) -> tuple[Rows, dict[str, Any]]:
    """Return another state of each photo, or a swap of two, and counts for the summary.

    Swaps have a rate of their own among the pairs that can be swapped, other errors among the
    photos that no swap explains.
    """
    parts, labels = held_out.parts["mask"], held_out.labels["mask"]
    log_p = np.log(np.maximum(np.stack(parts, axis=1), TINY))
    judged = judge(log_p, class_channel(labels, len(MASKS)))
    proposed, probability = best_alternative(judged.log_p, labels), np.mean(parts, axis=0)
    people = held_out.people[held_out.person]
    stems = [Path(image).stem for image in held_out.samples["image"]]
    pairs = _pairs(held_out.person, labels)
    swaps = swap_ratios(judged.log_p, pairs[:, 0], pairs[:, 1], (INCORRECT, NORMAL))
    swapped = swaps > judged.ratios[pairs].max(axis=1)
    alone = np.setdiff1d(np.arange(len(labels)), pairs[swapped])  # photos that no swap explains
    rate_of_swaps, rate = error_rate(swaps), error_rate(judged.ratios[alone])
    rows: Rows = []
    swap_odds = log_odds(swaps, rate_of_swaps.value)
    for (one, other), odds in zip(pairs[swapped], swap_odds[swapped], strict=True):
        reason = (
            f"{stems[one]} looks normal ({probability[one, NORMAL]:.2f}), "
            f"{stems[other]} looks incorrect ({probability[other, INCORRECT]:.2f})"
        )
        rows.append((people[one], "*", SWAP, odds, reason))
    for row, odds in zip(alone, log_odds(judged.ratios[alone], rate.value), strict=True):
        value, label = proposed[row], labels[row]
        reason = (
            f"named {MASKS[label]} ({probability[row, label]:.2f}), "
            f"looks {MASKS[value]} ({probability[row, value]:.2f})"
        )
        rows.append((people[row], stems[row], MASKS[value], odds, reason))
    # Two labels for each swap. The sum of bounds is wider than the 95 % interval of the sum.
    each = _times(rate_of_swaps, 2 * len(pairs)), _times(rate, len(alone))
    sums = (sum(getattr(one, name) for one in each) for name in ("value", "low", "high"))
    return rows, _counts(len(labels), Interval(*sums))


def age_issues(held_out: HeldOut) -> tuple[Rows, dict[str, Any]]:
    """Return for each person an age of another group, and counts for the summary."""
    ages = held_out.samples["age"].to_numpy(dtype=np.int64)[held_out.first]
    if held_out.years is None:
        groups = age_group(ages)
        channel = class_channel(groups, len(AGE_GROUPS))
        judged = _judge_people(held_out, held_out.parts["age"], channel)
        proposed = best_alternative(judged.log_p, groups)
        typical = [int(np.median(ages[groups == k])) if k in groups else 0 for k in range(3)]
        values = np.take(typical, proposed)
        sure = np.exp(judged.log_p[np.arange(len(ages)), proposed])
        said = [f"{AGE_GROUPS[k]} ({p:.2f})" for k, p in zip(proposed, sure, strict=True)]
    else:
        channel = age_channel(ages, _GROUP_OF_YEAR, AGE_BLUR)
        judged = _judge_people(held_out, held_out.years, channel)
        values = median_elsewhere(judged.log_p, channel)
        quarters = [age_reached(np.exp(judged.log_p), share) for share in (0.25, 0.75)]
        said = [f"{a} to {b} (middle half)" for a, b in zip(*quarters, strict=True)]
    rate = error_rate(judged.ratios)
    rows = [
        (person, "*", str(value), odds, f"labelled {age}; the photos say {shown}")
        for person, value, odds, age, shown in zip(
            held_out.people, values, log_odds(judged.ratios, rate.value), ages, said, strict=True
        )
    ]
    return rows, _counts(len(ages), _times(rate, len(ages)), judged)


def _judge_people(
    held_out: HeldOut, models: Sequence[NDArray[np.floating]], channel: Channel
) -> Judged:
    """Return the labels of the people, judged by all their photos.

    Each model has votes of its own for each state of the mask: a better one has more.
    """
    mask = held_out.labels["mask"]
    unknown = mask < 0  # a state of its own
    states = len(MASKS) + int(unknown.any())
    state = np.where(unknown, len(MASKS), mask)
    of_people = [log_p_of_people(part, held_out.person, state, states) for part in models]
    return judge(np.concatenate(of_people, axis=1), channel)


def _pairs(person: NDArray[np.integer], mask: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the rows (incorrect, normal) of each person who has one photo of each, (pairs, 2)."""
    rows = pd.Series(np.arange(len(person)), index=person)
    single = []
    for state in (INCORRECT, NORMAL):
        part = rows[mask == state]
        single.append(part[~part.index.duplicated(keep=False)])
    return pd.concat(single, axis=1, join="inner").to_numpy(dtype=np.int64)


def _times(rate: Interval, labels: int) -> Interval:
    return Interval(rate.value * labels, rate.low * labels, rate.high * labels)


def _counts(labels: int, wrong: Interval, people: Judged | None = None) -> dict[str, Any]:
    votes = np.nan if people is None else float(people.votes.sum())
    return {"labels": labels, "wrong": wrong, "votes": votes}
