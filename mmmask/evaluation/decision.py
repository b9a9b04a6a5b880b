"""Which class to answer: the most probable one is not what macro F1 rewards.

A rare class counts as much as a common one, and an unsure photo may gain it more than it costs
the other. Of calibrated probabilities the expected macro F1 can be computed, and maximised.
"""

import numpy as np
from numpy.typing import NDArray

from mmmask.errors import InputError

#: How classes are decided: the best expected macro F1, or the most probable class.
RULES = ("macro-f1", "argmax")
#: Steps of the search; each looks at all photos once.
STEPS = 40


def check_rule(rule: str) -> None:
    """Refuse a rule that is not one of ``RULES``."""
    if rule not in RULES:
        raise InputError(f"--decision must be one of {', '.join(RULES)}; got {rule!r}")


def expected_macro_f1(
    probabilities: NDArray[np.floating],
    decided: NDArray[np.integer],
) -> float:
    """Return macro F1 as expected where each photo's label is drawn from its probabilities.

    ``F1_c = 2 E[hits_c] / (answers_c + E[labels_c])``, the ratio of expectations, which many
    photos come close to.

    Args:
        probabilities: (N, C) calibrated.
        decided: (N,) the answers.
    """
    return _mean_f1(*_counts(probabilities, decided), probabilities.sum(axis=0, dtype=np.float64))


def decide(probabilities: NDArray[np.floating], rule: str = "macro-f1") -> NDArray[np.int64]:
    """Return the answers, (N,).

    Moving a photo to class c changes the expected macro F1 by ``(2 p_c - F1_c) / (answers_c +
    labels_c)``, so the best answers are the argmax of just that, with the F1 that they lead to:
    the linear classifiers of Narasimhan et al., Consistent Multiclass Algorithms for Complex
    Performance Measures, 2015, found here as there by Frank-Wolfe steps. The answers of all
    photos hang together: the same photo among others may get another answer.

    Args:
        probabilities: (N, C) calibrated.
        rule: One of ``RULES``; of ``macro-f1`` the best answers found, the argmax included.

    Raises:
        InputError: The rule is unknown.
    """
    check_rule(rule)
    decided = probabilities.argmax(axis=1)
    if rule == "argmax":
        return decided
    p = probabilities.astype(np.float64)
    labels = p.sum(axis=0)
    hits, answers = _counts(p, decided)
    best, best_score = decided, _mean_f1(hits, answers, labels)
    for step in range(STEPS):
        total = np.maximum(answers + labels, 1e-12)
        decided = ((2 * p - 2 * hits / total) / total).argmax(axis=1)
        new_hits, new_answers = _counts(p, decided)
        score = _mean_f1(new_hits, new_answers, labels)
        if score > best_score:
            best, best_score = decided, score
        pace = 2 / (step + 3)
        hits += pace * (new_hits - hits)
        answers += pace * (new_answers - answers)
    return best


def _counts(
    probabilities: NDArray[np.floating], decided: NDArray[np.integer]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return expected hits and answers of each class, (C,) each."""
    classes = probabilities.shape[1]
    own = probabilities[np.arange(len(decided)), decided]
    return (
        np.bincount(decided, own, minlength=classes).astype(np.float64),
        np.bincount(decided, minlength=classes).astype(np.float64),
    )


def _mean_f1(
    hits: NDArray[np.float64], answers: NDArray[np.float64], labels: NDArray[np.float64]
) -> float:
    return float(np.mean(2 * hits / np.maximum(answers + labels, 1e-12)))
