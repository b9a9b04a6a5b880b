"""Find labels that are probably wrong, from out-of-fold predictions; list them for review."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.datasets.corrections import SWAP, correct, read_corrections
from mmmask.datasets.layout import read_train, with_labels
from mmmask.errors import InputError
from mmmask.evaluation.calibrated_tables import calibrated, true_values
from mmmask.evaluation.label_issues import (
    age_scores,
    best_alternative,
    blurred,
    confident_errors,
    confident_joint,
    expected_errors,
    fit_votes,
    log_p_of_people,
    pooled,
    swap_scores,
)
from mmmask.evaluation.scores import TINY
from mmmask.labels import AGE_GROUPS, GENDERS, MASKS, NUM_YEARS, OLD_FROM, age_group, decode
from mmmask.labels import marginals as attribute_marginals
from mmmask.ledger.provenance import file_hash, made_now
from mmmask.tables import (
    SUSPECTS,
    attribute_of,
    probabilities,
    read_predictions,
    write_table,
    years_of,
)
from mmmask.workflows.ensemble.members import fitting

#: Splits whose people a model may have learned from, or whose labels are unknown.
NOT_HELD_OUT = ("train", "all", "eval")
#: By how many years the stated age of a person and the age that shows may differ. Small networks
#: trained on few people err by about as much; planted errors ranked best so, of 2 to 12 years.
AGE_BLUR = 8.0
INCORRECT, NORMAL = MASKS.index("incorrect"), MASKS.index("normal")
_GROUP_OF_YEAR = age_group(np.arange(NUM_YEARS))
_STATE_IN_WORDS = ("worn", "worn wrongly", "without mask")


@dataclass(frozen=True)
class LabelErrors:
    """What :func:`find_label_errors` finds.

    Attributes:
        suspects: Table of ``mmmask.tables.SUSPECTS``.
        summary: A row for each kind: ``labels``, how many were looked at (of people, or photos
            for the mask); ``expected``, how many of them are wrong by the confident joint;
            ``flagged``, how many confident learning takes for wrong; ``listed``; ``votes``, as
            how many independent votes the photos of a person count (NaN for the mask).
    """

    suspects: pd.DataFrame
    summary: pd.DataFrame


class Evidence(NamedTuple):
    """What models say of labelled photos, and who is on them.

    Attributes:
        samples: Samples table of the photos, with the labels under suspicion.
        parts: Attribute -> (N, C) probabilities of each model that predicts it.
        years: (N, 121) of each model that predicts ages; of one that knows groups alone, all
            years of a group have the group's probability. None where no model knows years.
        people: Names of the P people.
        person: (N,) number of the person of each photo.
        first: (P,) row of the first photo of each person.
    """

    samples: pd.DataFrame
    parts: Mapping[str, Sequence[NDArray[np.floating]]]
    years: Sequence[NDArray[np.floating]] | None
    people: NDArray
    person: NDArray[np.int64]
    first: NDArray[np.int64]

    def labels(self, attribute: str) -> NDArray[np.int64]:
        """Return the label of each photo, (N,)."""
        return decode(self.samples["label"].to_numpy(dtype=np.int64))[attribute]


class Found(NamedTuple):
    """Suspects of one kind and the row of the summary about it."""

    suspects: list[dict]
    summary: dict


def find_label_errors(
    predictions: Sequence[str | Path],
    out: str | Path,
    *,
    data_root: str | Path = "data",
    corrections: str | Path | None = None,
    calibrations: Sequence[str | Path] = (),
    top: int = 40,
    min_score: float = 0.0,
) -> LabelErrors:
    """Rank the labels that the evidence speaks against, and write them as corrections to review.

    Gender and age are of the person: the photos of a person are pooled, see
    :func:`mmmask.evaluation.label_issues.fit_votes`. The state of the mask is of the photo;
    besides, a person's photos ``incorrect_mask`` and ``normal`` may be exchanged.

    Args:
        predictions: Tables of models that did not learn from the people in them. Several are
            weighed against each other; models of one attribute serve for that one.
        out: Where the suspects go (.csv or .parquet).
        data_root: Folder with ``train/``, which knows the ages in years.
        corrections: csv of corrections that the models were trained with.
        calibrations: One for each table, or none.
        top: At most so many of each kind.
        min_score: Of what is listed, in nats; at 0 the proposal fits as well as the label.

    Raises:
        InputError: A table has no labels or people, is not out of fold, does not fit to the
            others, or was labelled otherwise than the data are now.
    """
    if top < 1:
        raise InputError(f"--top must be at least 1; got {top}")
    evidence = read_evidence(predictions, data_root, corrections, calibrations)
    finders = {"gender": suspect_genders, "mask": suspect_masks, "age": suspect_ages}
    found = {kind: find(evidence) for kind, find in finders.items() if kind in evidence.parts}
    parts, rows = [], []
    for kind, (suspects, summary) in found.items():
        table = pd.DataFrame(suspects, columns=[name for name in SUSPECTS if name != "kind"])
        table.insert(0, "kind", kind)
        table = table[table["score"] >= min_score]
        table = table.sort_values("score", ascending=False, kind="stable").head(top)
        parts.append(table)
        rows.append({"kind": kind, **summary, "listed": len(table)})
    suspects = pd.concat(parts, ignore_index=True)
    provenance = {
        "inputs": [{"path": str(path), "hash": file_hash(Path(path))} for path in predictions],
        "corrections": None if corrections is None else str(corrections),
        "calibrations": [str(path) for path in calibrations],
        **made_now(),
    }
    write_table(out, suspects, SUSPECTS, provenance)
    return LabelErrors(suspects, pd.DataFrame(rows))


def read_evidence(
    paths: Sequence[str | Path],
    data_root: str | Path,
    corrections: str | Path | None = None,
    calibrations: Sequence[str | Path] = (),
) -> Evidence:
    """Read out-of-fold predictions, part them by attribute, and find the labels of the photos.

    Raises:
        InputError: As :func:`find_label_errors` says.
    """
    if calibrations and len(calibrations) != len(paths):
        raise InputError(
            f"--calibration needs one file for each of the {len(paths)} tables; "
            f"got {len(calibrations)}"
        )
    tables = {Path(path): read_predictions(path) for path in paths}
    for path, file in zip(tables, calibrations):  # noqa: B905 - none, or as many
        tables[path] = calibrated(tables[path], path, file)
    for path, table in tables.items():
        check_held_out(table, path)
    aligned = list(fitting(tables).values())
    samples = labelled_as(aligned[0], next(iter(tables)), data_root, corrections)
    parts: dict[str, list[NDArray[np.floating]]] = {}
    years: list[NDArray[np.floating]] = []
    known = False
    for table in aligned:
        attribute, given = attribute_of(table), probabilities(table).astype(np.float64)
        one = {attribute: given} if attribute else attribute_marginals(given)
        for name, part in one.items():
            parts.setdefault(name, []).append(part)
        if "age" in one:
            by_year = years_of(table)
            known |= by_year is not None
            years.append(one["age"][:, _GROUP_OF_YEAR] if by_year is None else by_year)
    people, first, person = np.unique(
        samples["person"].to_numpy(dtype=str), return_index=True, return_inverse=True
    )
    return Evidence(samples, parts, years if known else None, people, person, first)


def check_held_out(table: pd.DataFrame, path: Path) -> None:
    """Refuse a table without people or labels, or of people whom its model has learned."""
    true_values(table, path)
    if "person" not in table or table["person"].isna().any():
        raise InputError(f"{path}: column person is missing or has gaps; whose labels are they?")
    stated = table.attrs.get("provenance", {})
    if stated.get("split") in NOT_HELD_OUT:
        raise InputError(
            f"{path}: split must be oof or val, predictions of people that the model did not "
            f"learn from; got {stated['split']}"
        )
    if stated.get("old_from") not in (None, OLD_FROM):
        raise InputError(
            f"{path}: old_from must be {OLD_FROM}, the age cut of the labels; "
            f"got {stated['old_from']}"
        )


def labelled_as(
    table: pd.DataFrame, path: Path, data_root: str | Path, corrections: str | Path | None
) -> pd.DataFrame:
    """Return the samples of the predicted photos; refuse labels that are not the predictions'."""
    samples = read_train(data_root)
    if corrections is not None:
        samples = correct(samples, read_corrections(corrections), str(corrections))
    samples = with_labels(samples).set_index("image", drop=False)
    unknown = table.loc[~table["image"].isin(samples.index), "image"]
    if len(unknown):
        raise InputError(
            f"{path}: {len(unknown)} of its photos are not in {data_root}/train, "
            f"such as {unknown.iloc[0]}"
        )
    samples = samples.loc[table["image"]].reset_index(drop=True)
    different = samples["label"].to_numpy(dtype=np.int64) != table["label"].to_numpy(np.int64)
    if different.any():
        raise InputError(
            f"{path}: {different.sum()} photos have another label than in {data_root}/train, "
            f"such as {table['image'][different].iloc[0]}; give the --corrections of the training"
        )
    return samples


def suspect_genders(evidence: Evidence) -> Found:
    """Return the other gender of each person, with its score."""
    parts, mask = evidence.parts["gender"], evidence.labels("mask")
    labels = evidence.labels("gender")[evidence.first]
    log_p, votes = _pooled(evidence, parts, labels)
    mean = np.mean(parts, axis=0)
    proposed, scores = best_alternative(log_p, labels)
    suspects = []
    for row, person in enumerate(evidence.people):
        mine = evidence.person == row
        said = [
            f"{mean[mine & (mask == state), proposed[row]].mean():.2f} {words}"
            for state, words in enumerate(_STATE_IN_WORDS)
            if (mine & (mask == state)).any()
        ]
        value = GENDERS[proposed[row]]
        reason = f"labelled {GENDERS[labels[row]]}; the photos say {value}: {', '.join(said)}"
        suspects.append(_suspect(person, "*", "gender", value, scores[row], reason))
    return Found(suspects, _summary(labels, np.exp(log_p), votes))


def suspect_masks(evidence: Evidence) -> Found:
    """Return another state of each photo, or the exchange of two photos, with the scores."""
    probability, labels = np.mean(evidence.parts["mask"], axis=0), evidence.labels("mask")
    log_p = np.log(np.maximum(probability, TINY))
    proposed, scores = best_alternative(log_p, labels)
    images = evidence.samples["image"]
    stems = [Path(image).stem for image in images]
    alone = np.ones(len(labels), dtype=bool)  # photos that no swap explains
    suspects = []
    pairs = _pairs(evidence.person, labels)
    swaps = swap_scores(log_p, pairs[:, 0], pairs[:, 1], (INCORRECT, NORMAL))
    for (one, other), score in zip(pairs, swaps, strict=True):
        if score > max(scores[one], scores[other]):
            alone[[one, other]] = False
            reason = (
                f"{stems[one]} looks normal ({probability[one, NORMAL]:.2f}), "
                f"{stems[other]} looks incorrect ({probability[other, INCORRECT]:.2f})"
            )
            person = evidence.people[evidence.person[one]]
            suspects.append(_suspect(person, "*", "mask", SWAP, score, reason))
    for row in np.flatnonzero(alone):
        value, label = proposed[row], labels[row]
        reason = (
            f"named {MASKS[label]} ({probability[row, label]:.2f}), "
            f"looks {MASKS[value]} ({probability[row, value]:.2f})"
        )
        person = evidence.people[evidence.person[row]]
        suspects.append(_suspect(person, stems[row], "mask", MASKS[value], scores[row], reason))
    return Found(suspects, _summary(labels, probability))


def suspect_ages(evidence: Evidence) -> Found:
    """Return for each person an age of another group, with its score."""
    ages = evidence.samples["age"].to_numpy(dtype=np.int64)[evidence.first]
    groups = age_group(ages)
    log_groups, votes = _pooled(evidence, evidence.parts["age"], groups)
    summary = _summary(groups, np.exp(log_groups), votes)
    if evidence.years is None:
        proposed, scores = age_scores(log_groups, groups, np.arange(len(AGE_GROUPS)), possible=2)
        typical = [int(np.median(ages[groups == k])) if k in groups else 0 for k in range(3)]
        values = np.take(typical, proposed)
        sure = np.exp(log_groups[np.arange(len(ages)), proposed])
        said = [f"{AGE_GROUPS[k]} ({p:.2f})" for k, p in zip(proposed, sure, strict=True)]
    else:
        log_years, _ = _pooled(evidence, evidence.years, ages)
        log_blurred = np.log(np.maximum(blurred(np.exp(log_years), AGE_BLUR), TINY))
        possible = int(np.ptp(ages)) + 1
        values, scores = age_scores(log_blurred, ages, _GROUP_OF_YEAR, possible)
        reached = np.exp(log_years).cumsum(axis=1)
        quarters = [(reached >= share).argmax(axis=1) for share in (0.25, 0.75)]
        said = [f"{a} to {b} (middle half)" for a, b in zip(*quarters, strict=True)]
    suspects = [
        _suspect(person, "*", "age", str(value), score, f"labelled {age}; the photos say {words}")
        for person, value, score, age, words in zip(
            evidence.people, values, scores, ages, said, strict=True
        )
    ]
    return Found(suspects, summary)


def _pooled(
    evidence: Evidence, models: Sequence[NDArray[np.floating]], labels: NDArray[np.integer]
) -> tuple[NDArray[np.float64], float]:
    """Return the log probabilities of the people, (P, C), and how many votes their photos are.

    Each model has votes of its own for each state of the mask: a better one has more.
    """
    mask = evidence.labels("mask")
    of_people = np.concatenate(
        [log_p_of_people(part, evidence.person, mask, len(MASKS)) for part in models], axis=1
    )
    votes = fit_votes(of_people, labels)
    return pooled(of_people, votes), float(votes.sum())


def _pairs(person: NDArray[np.integer], mask: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the rows (incorrect, normal) of each person who has one photo of each, (pairs, 2)."""
    rows = {
        state: pd.Series(np.flatnonzero(mask == state), index=person[mask == state])
        for state in (INCORRECT, NORMAL)
    }
    single = [part[~part.index.duplicated(keep=False)] for part in rows.values()]
    return pd.concat(single, axis=1, join="inner").to_numpy(dtype=np.int64)


def _suspect(
    person: str, photo: str, field: str, value: str, score: float, reason: str
) -> dict[str, object]:
    return {
        "person": person,
        "photo": photo,
        "field": field,
        "value": value,
        "score": float(score),
        "reason": reason,
    }


def _summary(
    labels: NDArray[np.integer], probability: NDArray[np.floating], votes: float = np.nan
) -> dict[str, float]:
    return {
        "labels": len(labels),
        "expected": expected_errors(confident_joint(labels, probability)),
        "flagged": int(confident_errors(labels, probability).sum()),
        "votes": votes,
    }
