"""Multiply predictions of mask, gender and age by models of their own to the 18 classes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmmask.errors import InputError
from mmmask.labels import ATTRIBUTES, product
from mmmask.workflows.ensemble.fitted_votes import equal_weights, mix, mixed_years
from mmmask.workflows.ensemble.members import Members, read_members
from mmmask.workflows.predict import Prediction
from mmmask.workflows.submission import check_covered, check_outputs


def compose_attributes(
    paths: Sequence[str | Path],
    *,
    out: str | Path,
    calibrations: Sequence[str | Path] = (),
    decision: str = "argmax",
    submission: str | Path | None = None,
    data_root: str | Path = "data",
    old_from: int | None = None,
) -> Prediction:
    """Multiply tables of each attribute to a table of the 18 classes, and write it.

    Several tables of one attribute are averaged first.

    Args:
        paths: Predictions of mask, gender and age models, in any order; at least one of each.
        out: Where the joint predictions go (.parquet or .csv).
        calibrations: One for each table, applied to it first.
        decision: One of ``mmmask.evaluation.decision.RULES``; all but ``argmax`` need calibrated
            tables.
        submission: Where a submission in info.csv's order goes.
        data_root: Folder that holds ``eval/info.csv``.
        old_from: First age, in years, called old; needs age models of years. None keeps the
            cut that the age predictions have.

    Raises:
        InputError: An attribute has no table, or the tables do not fit together.
    """
    check_outputs(out, submission=submission, data_root=data_root)
    members = read_members(paths, calibrations, old_from)
    members.check_decision(decision)
    check_covered(submission, members.keys, data_root)
    groups = by_attribute(members)
    parts = {
        name: mix(group, equal_weights(group), leave_out=False).probabilities
        for name, group in groups.items()
    }
    years = mixed_years(groups["age"], equal_weights(groups["age"]))
    composed_of = [
        {"attribute": name, **member.described()}
        for name, group in groups.items()
        for member in group.each
    ]
    return members.write(
        product(parts).astype(np.float32),
        years,
        {"composed_of": composed_of},
        decision=decision,
        out=out,
        submission=submission,
        data_root=data_root,
    )


def by_attribute(members: Members) -> dict[str, Members]:
    """Return attribute -> its tables; refuse others, and an attribute without one."""
    groups = {
        name: tuple(member for member in members.each if member.attribute == name)
        for name in ATTRIBUTES
    }
    used = sum(map(len, groups.values()))
    if used < len(members.each) or not all(groups.values()):
        received = ", ".join(f"{m.path} ({m.attribute or '18 classes'})" for m in members.each)
        raise InputError(
            "--compose needs predictions of mask, gender and age, at least one each and nothing "
            f"else; got {received}"
        )
    return {name: Members(group, members.keys) for name, group in groups.items()}
