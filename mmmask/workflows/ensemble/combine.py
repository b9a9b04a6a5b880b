"""Combine predictions of several models by a vote, and report what each of them adds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.errors import InputError
from mmmask.evaluation.calibrated_tables import check_decision, unlike
from mmmask.evaluation.ensemble.voting import agreement, agreement_by_attribute
from mmmask.ledger.provenance import checkpoint_hashes
from mmmask.workflows.ensemble.contributions import Gain, contributions, gain_of
from mmmask.workflows.ensemble.fitted_votes import (
    Learned,
    Outcome,
    elect,
    equal_weights,
    learn_stack,
    learn_weights,
    mix,
    mixed_years,
)
from mmmask.workflows.ensemble.members import Member, Members, read_members
from mmmask.workflows.predict import Prediction
from mmmask.workflows.submission import check_covered, check_outputs

#: Votes that are fitted on labels, after those that are not.
FITTED = ("weighted", "stack")
VOTES = ("soft", "hard", *FITTED)


@dataclass(frozen=True)
class Ensemble:
    """What a vote leaves.

    Attributes:
        prediction: The table that was written.
        agreement: ``class`` and, of the 18, each attribute -> (M, M) share of photos answered
            alike.
        members: See :func:`contributions`.
        photos: How many photos ``members`` is about.
        people: Of how many people; None where nobody knows who is in them.
        tied: How many of the predicted photos were a tie of a hard vote.
        ties_go_to: What a tie was given to, in words.
        gain: Of a fitted vote.
        judged: Provenance of the predictions that ``members`` and ``gain`` are about, where they
            are others than those that were written.
    """

    prediction: Prediction
    agreement: Mapping[str, NDArray[np.float64]]
    members: pd.DataFrame
    photos: int
    people: int | None
    tied: int | None
    ties_go_to: str
    gain: Gain | None
    judged: Mapping[str, Any]


def ensemble(
    paths: Sequence[str | Path],
    *,
    vote: str = "soft",
    decision: str = "argmax",
    oof: Sequence[str | Path] = (),
    calibrations: Sequence[str | Path] = (),
    out: str | Path,
    submission: str | Path | None = None,
    data_root: str | Path = "data",
    old_from: int | None = None,
) -> Ensemble:
    """Combine predictions by a vote, and write them.

    ``soft`` is the mean of the probabilities, ``hard`` the class that most members answer,
    ``weighted`` a mean with weights, ``stack`` a regression on the members' answers. The
    latter two are fitted on ``oof``, or, without, on the tables themselves: then each person is
    predicted by a fit on the others, so the result is out of fold too.

    Args:
        paths: Predictions of the same photos; for ``hard`` also submissions.
        vote: One of ``VOTES``.
        decision: One of ``mmmask.evaluation.decision.RULES``; see :meth:`Members.write`.
        oof: Predictions of the same models, in the same order, of people that they have not
            learned from, with labels; the members are judged on them.
        calibrations: One for each model, applied before the vote to its predictions in ``paths``
            and in ``oof``.
        out: Where the predictions go (.parquet or .csv).
        submission: Where a submission in info.csv's order goes.
        data_root: Folder that holds ``eval/info.csv``.
        old_from: First age, in years, called old; tables of years are moved to it.

    Raises:
        InputError: Tables do not fit together, or do not allow the vote.
    """
    check_outputs(out, submission=submission, data_root=data_root)
    members = _read(paths, vote, calibrations, old_from)
    _check_decision(decision, members, vote)
    check_covered(submission, members.keys, data_root)
    validation = members
    if oof:
        validation = _read(oof, vote, calibrations, old_from)
        _check_pairs(members.each, validation.each)
    final, judged, learned = _voted(members, validation, vote)
    known = [one.described() for one in validation.each]
    made = {
        "vote": vote,
        "members": [member.described() for member in members.each],
        "fitted_on": known if learned and oof else [],
        **({} if learned is None else learned.made),
    }
    years = None if final.weights is None else mixed_years(members, final.weights)
    parts = agreement_by_attribute(final.answers) if members.attribute is None else {}
    people = validation.people()
    return Ensemble(
        members.write(
            final.probabilities,
            years,
            made,
            decision=decision,
            out=out,
            submission=submission,
            data_root=data_root,
        ),
        agreement={"class": agreement(final.answers), **parts},
        members=contributions(validation, judged, learned),
        photos=len(people),
        people=int(people.max()) + 1 if "person" in validation.keys else None,
        tied=None if final.tied is None else int(final.tied.sum()),
        ties_go_to=final.ties_go_to,
        gain=None if learned is None else gain_of(validation, learned),
        judged={"members": known, **validation.common()} if oof else {},
    )


def _check_decision(rule: str, members: Members, vote: str) -> None:
    """Refuse a rule for what a vote makes: no probabilities, or uncalibrated ones."""
    check_decision(rule, members.each[0].path, members.attribute, True)
    if rule != "argmax" and vote == "hard":
        raise InputError(f"--decision {rule} needs probabilities, and --vote hard counts votes")
    if vote != "stack":  # which is fitted on labels
        members.check_decision(rule)


def _voted(
    members: Members, validation: Members, vote: str
) -> tuple[Outcome, Outcome, Learned | None]:
    """Return what a vote says of the photos and of those for validation, and how it was fitted."""
    own = validation is members
    if vote in FITTED:
        if not own:
            _check_apart(members, validation)
        learned = learn_weights(validation) if vote == "weighted" else learn_stack(validation)
        return learned.outcome if own else learned.apply(members), learned.outcome, learned

    def voted(tables: Members) -> Outcome:
        return elect(tables) if vote == "hard" else mix(tables, equal_weights(tables))

    final = voted(members)
    return final, final if own else voted(validation), None


def _read(
    paths: Sequence[str | Path],
    vote: str,
    calibrations: Sequence[str | Path],
    old_from: int | None,
) -> Members:
    """Read members of a vote; refuse those that cannot vote together, or not so."""
    members = read_members(paths, calibrations, old_from)
    first = members.each[0]
    for member in members.each:
        if member.attribute != first.attribute:
            raise InputError(
                f"{first.path} predicts {first.predicts} and {member.path} {member.predicts}; "
                "models of mask, gender and age are multiplied by --compose"
            )
        if member.submission and (vote != "hard" or calibrations):
            raise InputError(
                f"{member.path}: is a submission, answers without probabilities; it can take "
                "part in --vote hard, and not be calibrated"
            )
    return members


def _check_apart(members: Members, validation: Members) -> None:
    """Refuse to answer photos by what was fitted on them: it would seem better than it is."""
    images = members.keys["image"]
    both = images[images.isin(validation.keys["image"])]
    if len(both):
        raise InputError(
            f"{members.each[0].path}: --oof holds {len(both):,} of its photos, such as "
            f"{both.iloc[0]}; without --oof each person is predicted by a fit on the others"
        )


def _check_pairs(members: Sequence[Member], validation: Sequence[Member]) -> None:
    """Refuse out-of-fold predictions that are not of the same models in the same order."""
    if len(members) != len(validation):
        raise InputError(
            f"--oof needs one table for each of the {len(members)} members, in their order; "
            f"got {len(validation)}"
        )
    for member, other in zip(members, validation, strict=True):
        if member.attribute != other.attribute:
            raise InputError(
                f"{member.path} predicts {member.predicts}, and its --oof {other.path} "
                f"{other.predicts}"
            )
        one, its_oof = ({**m.provenance, "old_from": m.old_from} for m in (member, other))
        for problem, ours, theirs in unlike(one, its_oof):
            raise InputError(
                f"{member.path}: predictions {problem} than its --oof {other.path}: "
                f"{ours} and {theirs}"
            )
        models = checkpoint_hashes(other.provenance)
        belongs = [one.path for one in members if models & checkpoint_hashes(one.provenance)]
        if belongs and member.path not in belongs:
            raise InputError(
                f"--oof {other.path} is of the model of {belongs[0]}, not of {member.path}; "
                "give the tables of --oof in the order of the members"
            )
