from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from mmmask.errors import InputError
from mmmask.evaluation.decision import decide, expected_macro_f1


def unsure(photos=400, classes=5, seed=0, rare=0.03):
    """Calibrated probabilities; the last class is rare and never the most probable."""
    random = np.random.default_rng(seed)
    p = random.dirichlet(np.ones(classes - 1), photos) * (1 - rare)
    share = random.dirichlet([0.3, 3], photos)[:, :1] * 0.3
    return np.concatenate([p * (1 - share), rare * p.sum(axis=1, keepdims=True) + share], axis=1)


def test_expected_macro_f1_is_that_of_certain_labels() -> None:
    random = np.random.default_rng(0)
    truth, decided = random.integers(0, 4, (2, 60))
    expected = f1_score(truth, decided, labels=range(4), average="macro", zero_division=0)
    assert expected_macro_f1(np.eye(4)[truth], decided) == pytest.approx(expected)


def test_expected_macro_f1_is_near_the_mean_over_drawn_labels() -> None:
    p = unsure()
    p /= p.sum(axis=1, keepdims=True)
    decided = decide(p)
    random = np.random.default_rng(1)
    scores = []
    for _ in range(60):
        truth = (p.cumsum(axis=1) < random.random((len(p), 1))).sum(axis=1)
        scores.append(f1_score(truth, decided, average="macro", zero_division=0))
    assert expected_macro_f1(p, decided) == pytest.approx(np.mean(scores), abs=0.01)


def test_the_decision_equals_the_best_of_all_answers_to_a_few_photos() -> None:
    for seed in range(4):
        p = np.random.default_rng(seed).dirichlet([0.8, 0.5, 0.4], 7)
        every = [expected_macro_f1(p, np.array(answers)) for answers in product(range(3), repeat=7)]
        assert expected_macro_f1(p, decide(p)) > max(every) - 0.02


def test_a_rare_class_that_is_never_the_most_probable_is_answered() -> None:
    p = unsure()
    p /= p.sum(axis=1, keepdims=True)
    assert (p.argmax(axis=1) == 4).sum() < (decide(p) == 4).sum()
    assert expected_macro_f1(p, decide(p)) > expected_macro_f1(p, p.argmax(axis=1)) + 0.02


@given(st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_the_decision_is_never_expected_to_score_below_argmax(seed) -> None:
    p = np.random.default_rng(seed).dirichlet(np.full(18, 0.2), 50)
    best, argmax = expected_macro_f1(p, decide(p)), expected_macro_f1(p, p.argmax(axis=1))
    assert best >= argmax - 1e-12


def test_certain_photos_are_decided_by_argmax() -> None:
    truth = np.random.default_rng(0).integers(0, 18, 200)
    np.testing.assert_array_equal(decide(np.eye(18)[truth]), truth)
    np.testing.assert_array_equal(decide(np.eye(18)[truth], "argmax"), truth)


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(InputError, match="--decision must be one of macro-f1, argmax; got 'best'"):
        decide(unsure(), "best")
