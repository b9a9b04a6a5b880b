"""Votes of the tables of an ensemble, and what weights and stacks learn from them."""

from collections.abc import Iterator, Sequence
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
        tied: (N,) whether a hard vote was tied.
        ties_go_to: What a tie is given to, in words.
    """

    probabilities: NDArray[np.float32]
    answers: NDArray[np.uint8]
    without: NDArray[np.uint8] | None = None
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
    """

    outcome: Outcome
    in_sample: Outcome


@dataclass(frozen=True)
class LearnedWeights(Learned):
    """Weights that were found on people.

    Attributes:
        weights: (M,) found on all people.
        by_part: (K, M) found on all parts of the people but one.
        of_photos: (N, M) found on the parts that a photo is not in.
    """

    weights: NDArray[np.float64]
    by_part: NDArray[np.float64]
    of_photos: NDArray[np.float64]

    def to_dict(self) -> dict[str, Any]:
        """Return the weights as lists, ready for JSON."""
        return {"weights": self.weights.tolist(), "weights_by_part": self.by_part.tolist()}


@dataclass(frozen=True)
class LearnedStack(Learned):
    """A stack that was fitted on people.

    Attributes:
        stack: The fit on all people.
    """

    stack: Stack

    def to_dict(self) -> dict[str, Any]:
        """Return the fit on all people, ready for JSON."""
        return self.stack.to_dict()


def equal_weights(members: Members) -> NDArray[np.float64]:
    """Return the weights, (M,), of a plain mean."""
    return np.full(len(members.each), 1 / len(members.each))


def mix(members: Members, weights: NDArray[np.float64], *, leave_out: bool = True) -> Outcome:
    """Return the weighted mean of the members' probabilities.

    Args:
        members: The tables.
        weights: Of each member, for all photos or for each; they sum to 1.
        leave_out: Whether to look what the vote would be without each member: the others then keep
            their weights in proportion.

    Shape:
        ``weights``: (M,) or (N, M).
    """
    answers = _no_answers(members)
    total = soft_vote(_each(members, answers), weights.T)
    without = None
    if leave_out and len(members.each) > 1:
        without = np.empty_like(answers)
        for number, member in enumerate(members.each):
            for rows, part in weighted(member.probabilities(), weights.T[number]):
                without[rows, number] = (total[rows] - part).argmax(axis=1)
    return Outcome(total.astype(np.float32), answers, without)


def mixed_years(members: Members, weights: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the weighted mean of the members' years, (N, 121); None unless all have years."""
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
    goes_to = (
        "what the earlier in the list answer" if ranked else "the class of highest mean probability"
    )
    if len(members.each) == 1:
        return Outcome(shares, answers, None, found.tied, goes_to)
    without = np.empty_like(answers)
    for number, member in enumerate(members.each):
        others = np.delete(answers, number, axis=1)
        preference = by_order(others, members.classes) if ranked else total - member.probabilities()
        without[:, number] = hard_vote(count_votes(others, members.classes), preference).winners
    return Outcome(shares, answers, without, found.tied, goes_to)


def learn_weights(evidence: Members) -> LearnedWeights:
    """Find the weights of a mean, and judge them on people that they were not found on."""
    truth, person, parts, learners = _people(evidence)
    tables = [member.probabilities()[learners] for member in evidence.each]

    def fit(rows: NDArray[np.bool_]) -> NDArray[np.float64]:
        kept = rows[learners]
        return mixture_weights(
            [table[kept] for table in tables], truth[learners][kept], person[learners][kept]
        )

    weights = fit(parts >= 0)
    by_part = np.stack([fit(rest) for _, rest in _held_out(parts)])
    of_photos = by_part[parts]
    outcome = mix(evidence, of_photos)
    in_sample = mix(evidence, weights, leave_out=False)
    return LearnedWeights(outcome, in_sample, weights, by_part, of_photos)


def learn_stack(evidence: Members) -> LearnedStack:
    """Fit a stack, and judge it on people that it was not fitted on.

    Without each member it is fitted anew on the others.
    """
    truth, person, parts, learners = _people(evidence)
    attribute = evidence.attribute
    answers = _no_answers(evidence)
    values = [features(table, attribute) for table in _each(evidence, answers)]

    def fit(table: NDArray[np.float32], rows: NDArray[np.bool_]) -> Stack:
        kept = learners[rows[learners]]
        return fit_stack(table[kept], truth[kept], person=person[kept], attribute=attribute)

    def held_out(members: Sequence[int]) -> NDArray[np.float32]:
        table = np.concatenate([values[number] for number in members], axis=1)
        result = np.empty((len(truth), evidence.classes), np.float32)
        for part, rest in _held_out(parts):
            result[part] = fit(table, rest)(table[part])
        return result

    everybody = range(len(values))
    together = np.concatenate(values, axis=1)
    stack = fit(together, parts >= 0)
    without = None
    if len(values) > 1:
        without = np.empty_like(answers)
        for number in track(everybody, "Leaving out", console=Console(stderr=True)):
            others = [other for other in everybody if other != number]
            without[:, number] = held_out(others).argmax(axis=1)
    outcome = Outcome(held_out(everybody), answers, without)
    return LearnedStack(outcome, Outcome(stack(together), answers), stack)


def apply_stack(members: Members, stack: Stack) -> Outcome:
    """Return what a stack says of other photos of the same models."""
    answers = _no_answers(members)
    values = [features(table, members.attribute) for table in _each(members, answers)]
    return Outcome(stack(np.concatenate(values, axis=1)), answers)


def _people(
    evidence: Members,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.intp], NDArray[np.intp]]:
    """Return true classes, who is in each photo, its part, and the photos to learn from.

    The photos of a part are held out together. Beyond ``ENOUGH`` photos, those of people drawn at
    random are learned from.

    Raises:
        InputError: The true classes are unknown, the models have learned from the people, or
            there are too few.
    """
    where = evidence.each[0].path
    if not evidence.labelled:
        raise InputError(
            f"{where}: label is missing; weights and stacks are found on predictions of people "
            "held out, with their labels: give those as --oof"
        )
    for member in evidence.each:
        split = member.provenance.get("split")
        if split in SEEN:
            raise InputError(
                f"{member.path}: its model has learned from these people (split {split}); weights "
                "and stacks are found on people held out"
            )
    _, parts = np.unique(held_out_parts(evidence.keys), return_inverse=True)
    if parts.max() == 0:
        raise InputError(f"{where}: needs photos of at least two people; got one")
    person = evidence.people()
    learners = np.arange(len(person))
    if len(person) > ENOUGH:
        order = np.random.default_rng(0).permutation(person.max() + 1)[person]
        learners = np.sort(np.argsort(order, kind="stable")[:ENOUGH])
    return evidence.truth(), person, parts, learners


def _held_out(parts: NDArray[np.intp]) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Yield the photos of each part, and all others."""
    for part in range(parts.max() + 1):
        yield parts == part, parts != part


def _no_answers(members: Members) -> NDArray[np.uint8]:
    return np.zeros((len(members.keys), len(members.each)), dtype=np.uint8)


def _each(members: Members, answers: NDArray[np.uint8]) -> Iterator[NDArray[np.float32]]:
    """Yield the probabilities of each member, and note its answers."""
    for number, member in enumerate(members.each):
        table = member.probabilities()
        answers[:, number] = member.answers(table)
        yield table
