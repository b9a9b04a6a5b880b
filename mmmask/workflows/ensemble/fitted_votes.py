"""Votes of the tables of an ensemble, and what weights and stacks learn from them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from mmmask.errors import InputError
from mmmask.evaluation.calibrated_tables import held_out_parts
from mmmask.evaluation.ensemble.stacking import Stack, features, fit_stack
from mmmask.evaluation.ensemble.voting import by_order, count_votes, hard_vote, soft_vote, weighted
from mmmask.evaluation.ensemble.weights import mixture_weights
from mmmask.workflows.ensemble.members import Members

#: By how much the winner of a tied hard vote is put ahead in the table of shares.
LEAD = 1e-3
#: So many photos are enough to find weights or a stack on.
ENOUGH = 50_000
#: Splits whose people a model has learned from.
SEEN = ("train", "all")


@dataclass(frozen=True)
class Outcome:
    """What a vote says of N photos.

    Attributes:
        probabilities: (N, C).
        answers: (N, M) classes that each member alone answers.
        without: (N, M) classes that the vote would answer without each member.
        weights: (M,) or (N, M) of a weighted mean.
        tied: (N,) whether a hard vote was tied.
        ties_go_to: What a tie is given to, in words.
    """

    probabilities: NDArray[np.float32]
    answers: NDArray[np.uint8]
    without: NDArray[np.uint8] | None = None
    weights: NDArray[np.float64] | None = None
    tied: NDArray[np.bool_] | None = None
    ties_go_to: str = ""

    @property
    def labels(self) -> NDArray[np.int64]:
        """The classes that the vote answers, (N,)."""
        return self.probabilities.argmax(axis=1)


@dataclass(frozen=True)
class Learned:
    """A vote that was fitted on people, and what it says of them.

    Attributes:
        outcome: Of each person by a fit on the others.
        in_sample: Of each person by the fit on all people, which knows them.
        made: The fit on all people, ready for JSON: ``weights`` and ``weights_by_part``, found on
            all parts of the people but one, or ``stack_weights`` and ``stack_biases``.
        apply: Returns what the fit on all people says of other photos of the same models.
    """

    outcome: Outcome
    in_sample: Outcome
    made: Mapping[str, Any]
    apply: Callable[[Members], Outcome]


def equal_weights(members: Members) -> NDArray[np.float64]:
    """Return the weights, (M,), of a plain mean."""
    return np.full(len(members.each), 1 / len(members.each))


def mix(members: Members, weights: NDArray[np.float64], *, leave_out: bool = True) -> Outcome:
    """Return the weighted mean of the members' probabilities.

    Args:
        members: The tables.
        weights: (M,) or (N, M) of each member, for all photos or for each; they sum to 1.
        leave_out: Whether to look what the vote would be without each member: the others then keep
            their weights in proportion.
    """
    answers = _no_answers(members)
    total = soft_vote(_each(members, answers), weights.T)

    def others(number: int) -> NDArray[np.int64]:
        parts = weighted(members.each[number].probabilities(), weights.T[number])
        return np.concatenate([(total[rows] - part).argmax(axis=1) for rows, part in parts])

    without = _without(members, others) if leave_out else None
    return Outcome(total.astype(np.float32), answers, without, weights)


def mixed_years(members: Members, weights: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the weighted mean of the members' years, (N, 121); None unless all have them."""
    if not all(member.years for member in members.each):
        return None
    tables = (years for m in members.each for _, years in [m.read(years=True)] if years is not None)
    return soft_vote(tables, weights.T)


def elect(members: Members) -> Outcome:
    """Return the shares of the members' votes; one with a column ``answer`` votes for that.

    A tie goes to the class with the highest mean probability; where a member is a submission,
    to the class that the earlier ones in the list answer. The winner is then ``LEAD`` ahead.
    """
    answers = _no_answers(members)
    total = soft_vote(_each(members, answers), np.ones(len(members.each)))
    ranked = any(member.submission for member in members.each)
    votes = count_votes(answers, members.classes)
    found = hard_vote(votes, by_order(answers, members.classes) if ranked else total)
    shares = (votes / len(members.each)).astype(np.float32)
    shares[found.tied] *= 1 - LEAD
    shares[found.tied, found.winners[found.tied]] += LEAD

    def others(number: int) -> NDArray[np.int64]:
        rest = np.delete(answers, number, axis=1)
        if ranked:
            preference = by_order(rest, members.classes)
        else:
            preference = total - members.each[number].probabilities()
        return hard_vote(count_votes(rest, members.classes), preference).winners

    return Outcome(
        shares,
        answers,
        _without(members, others),
        tied=found.tied,
        ties_go_to="what the earlier in the list answer"
        if ranked
        else "the class of highest mean probability",
    )


def learn_weights(validation: Members) -> Learned:
    """Find the weights of a mean, and judge them on people that they were not found on."""
    truth, person, parts, learners = _people(validation)
    tables = [member.probabilities()[learners] for member in validation.each]

    def fit(rows: NDArray[np.bool_]) -> NDArray[np.float64]:
        kept = rows[learners]
        photos = learners[kept]
        return mixture_weights([table[kept] for table in tables], truth[photos], person[photos])

    weights = fit(parts >= 0)
    by_part = np.stack([fit(parts != part) for part in range(parts.max() + 1)])

    def apply(members: Members) -> Outcome:
        return mix(members, weights, leave_out=False)

    made = {"weights": weights.tolist(), "weights_by_part": by_part.tolist()}
    return Learned(mix(validation, by_part[parts]), apply(validation), made, apply)


def learn_stack(validation: Members) -> Learned:
    """Fit a stack, and judge it on people that it was not fitted on.

    Without each member it is fitted anew on the others.
    """
    truth, person, parts, learners = _people(validation)
    answers = _no_answers(validation)
    values = _features(validation, answers)

    def fit(table: NDArray[np.float32], rows: NDArray[np.bool_]) -> Stack:
        kept = learners[rows[learners]]
        attribute = validation.attribute
        return fit_stack(table[kept], truth[kept], person=person[kept], attribute=attribute)

    def held_out(members: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        table = np.concatenate(members, axis=1)
        result = np.empty((len(truth), validation.classes), np.float32)
        for part in range(parts.max() + 1):
            own = parts == part
            result[own] = fit(table, ~own)(table[own])
        return result

    def others(number: int) -> NDArray[np.int64]:
        return held_out(values[:number] + values[number + 1 :]).argmax(axis=1)

    together = np.concatenate(values, axis=1)
    stack = fit(together, parts >= 0)

    def apply(members: Members) -> Outcome:
        answers = _no_answers(members)
        return Outcome(stack(np.concatenate(_features(members, answers), axis=1)), answers)

    outcome = Outcome(held_out(values), answers, _without(validation, others, slow=True))
    return Learned(outcome, Outcome(stack(together), answers), stack.to_dict(), apply)


def _people(
    validation: Members,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.intp], NDArray[np.intp]]:
    """Return true classes, who is in each photo, its part, and the photos to learn from.

    The photos of a part are held out together. Beyond ``ENOUGH`` photos, those of people drawn at
    random are learned from.

    Raises:
        InputError: The true classes are unknown, the models have learned from the people, or
            there are too few.
    """
    where = validation.each[0].path
    if not validation.labelled:
        raise InputError(
            f"{where}: label is missing; weights and stacks are found on predictions of people "
            "held out, with their labels: give those as --oof"
        )
    for member in validation.each:
        split = member.provenance.get("split")
        if split in SEEN:
            raise InputError(
                f"{member.path}: its model has learned from these people (split {split}); weights "
                "and stacks are found on people held out"
            )
    _, parts = np.unique(held_out_parts(validation.keys), return_inverse=True)
    if parts.max() == 0:
        raise InputError(f"{where}: needs photos of at least two people; got one")
    person = validation.people()
    learners = np.arange(len(person))
    if len(person) > ENOUGH:
        order = np.random.default_rng(0).permutation(person.max() + 1)[person]
        learners = np.sort(np.argsort(order, kind="stable")[:ENOUGH])
    return validation.truth(), person, parts, learners


def _without(
    members: Members, others: Callable[[int], NDArray[np.int64]], *, slow: bool = False
) -> NDArray[np.uint8] | None:
    """Return what the others answer without each member, (N, M); None of one member alone."""
    if len(members.each) == 1:
        return None
    found = _no_answers(members)
    numbers = range(len(members.each))
    for number in track(numbers, "Leaving out", console=Console(stderr=True), disable=not slow):
        found[:, number] = others(number)
    return found


def _no_answers(members: Members) -> NDArray[np.uint8]:
    return np.zeros((len(members.keys), len(members.each)), dtype=np.uint8)


def _each(members: Members, answers: NDArray[np.uint8]) -> Iterator[NDArray[np.float32]]:
    """Yield the probabilities of each member, and note its answers."""
    for number, member in enumerate(members.each):
        table = member.probabilities()
        answers[:, number] = member.answers(table)
        yield table


def _features(members: Members, answers: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """Return the features of each member, and note its answers."""
    return [features(table, members.attribute) for table in _each(members, answers)]
