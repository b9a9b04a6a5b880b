import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from simulated_models import models

from mmmask.evaluation.ensemble.weights import mixture_weights
from mmmask.evaluation.scores import macro_f1


def loss_by_hand(weights, sharpness, tables, truth, person, prior):
    """The sum of the docstring, photo by photo."""
    counts = np.bincount(person)
    total = 0.0
    for row, label in enumerate(truth):
        mean = sum(
            w * table[row].astype(np.float64) for w, table in zip(weights, tables, strict=True)
        )
        total -= log_softmax(sharpness * np.log(mean))[label] / counts[person[row]]
    return total - prior / len(tables) * np.log(weights).sum()


@pytest.mark.parametrize("prior", [2.0, 20.0])
def test_weights_minimise_the_loss_that_is_written_down(prior) -> None:
    tables, truth, person = models([1.0, 2.0, 1.5], people=6)
    found = mixture_weights(tables, truth, person, prior=prior)

    def loss(theta):  # by another method, and without slopes
        return loss_by_hand(
            softmax([0, *theta[:2]]), np.exp(theta[2]), tables, truth, person, prior
        )

    best = minimize(loss, np.zeros(3), method="Nelder-Mead", options={"xatol": 1e-5, "fatol": 1e-8})
    np.testing.assert_allclose(found, softmax([0, *best.x[:2]]), atol=2e-4)


def test_weights_are_positive_and_sum_to_1() -> None:
    tables, truth, person = models([0.0, 0.5, 3.0, 3.0])
    weights = mixture_weights(tables, truth, person)
    assert (weights > 0).all()
    assert weights.sum() == pytest.approx(1)
    assert weights.argsort()[:2].tolist() == [0, 1]


def test_weights_follow_their_members() -> None:
    tables, truth, person = models([1.0, 2.0, 1.5])
    found = mixture_weights(tables, truth, person)
    turned = mixture_weights(tables[::-1], truth, person)
    np.testing.assert_allclose(found, turned[::-1], atol=1e-4)


def test_identical_models_get_equal_weights_and_one_alone_gets_all() -> None:
    tables, truth, _ = models([1.0])
    np.testing.assert_allclose(mixture_weights(tables * 3, truth), 1 / 3, atol=1e-6)
    assert mixture_weights(tables, truth).tolist() == [1.0]


def test_a_person_photographed_twice_as_often_weighs_no_more() -> None:
    tables, truth, person = models([1.0, 2.0], people=20)
    twice = np.r_[np.arange(len(truth)), np.flatnonzero(person < 5)]
    again = mixture_weights([table[twice] for table in tables], truth[twice], person[twice])
    np.testing.assert_allclose(again, mixture_weights(tables, truth, person), atol=1e-4)


def test_a_mean_that_is_not_sure_enough_does_not_lose_to_its_surest_model() -> None:
    """By likelihood alone the best model takes nearly all, though the mean errs less."""
    tables, truth, person = models([1.5 + 0.15 * k for k in range(8)], people=100)
    weights = mixture_weights(tables, truth, person)
    mean, best = np.mean(tables, axis=0), tables[-1]
    mixed = sum(w * table for w, table in zip(weights, tables, strict=True))
    assert macro_f1(truth, best.argmax(axis=1)) < macro_f1(truth, mean.argmax(axis=1)) - 0.1
    assert macro_f1(truth, mixed.argmax(axis=1)) > macro_f1(truth, mean.argmax(axis=1)) - 0.02
    assert weights.max() < 0.3


def test_probabilities_of_0_are_no_obstacle() -> None:
    sure = np.eye(18, dtype=np.float32)[[3, 4, 5]]
    weights = mixture_weights([sure, np.roll(sure, 1, axis=0)], np.array([3, 4, 5]))
    assert np.isfinite(weights).all()
    assert weights[0] > weights[1]
