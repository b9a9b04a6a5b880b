import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge

from mmmask.evaluation.leave_one_out import leave_one_out, similarity


def groups(seed: int, people: int = 60):
    """Return labels -1 and 1, and two kinds of features that tell them apart."""
    random = np.random.default_rng(seed)
    labels = random.choice([-1.0, 1.0], people)
    return labels, [random.normal(size=(people, d)) + labels[:, None] for d in (5, 20)]


def test_each_person_is_predicted_by_a_fit_on_all_others() -> None:
    labels, features = groups(0)
    kernel = similarity(features)
    predicted = leave_one_out(kernel, labels, ridge=0.1)
    many = 1e6  # a constant that costs nothing: the intercept
    for one in range(len(labels)):
        others = np.delete(np.arange(len(labels)), one)
        fit = KernelRidge(alpha=0.1, kernel="precomputed")
        fit.fit(kernel[np.ix_(others, others)] + many, labels[others])
        (expected,) = fit.predict(kernel[[one]][:, others] + many)
        assert predicted[one] == pytest.approx(expected, abs=1e-3)


def test_a_shift_of_the_targets_shifts_the_predictions() -> None:
    labels, features = groups(1)
    kernel = similarity(features)
    np.testing.assert_allclose(
        leave_one_out(kernel, labels + 40), leave_one_out(kernel, labels) + 40
    )


def test_similarity_is_a_kernel_that_ignores_units() -> None:
    _, features = groups(2)
    kernel = similarity(features)
    np.testing.assert_allclose(np.diagonal(kernel), 1)
    np.testing.assert_allclose(kernel, kernel.T)
    assert np.linalg.eigvalsh(kernel).min() > -1e-9
    np.testing.assert_allclose(similarity([1000 * kind + 7 for kind in features]), kernel)


def test_a_feature_that_all_share_changes_nothing() -> None:
    _, (kind, _) = groups(3)
    constant = np.concatenate([kind, np.full((len(kind), 1), 0.1)], axis=1)
    np.testing.assert_allclose(similarity([constant]), similarity([kind]), atol=1e-6)


def test_a_wrong_label_does_not_speak_for_itself() -> None:
    labels, features = groups(4)
    labels[7] *= -1
    assert np.sign(leave_one_out(similarity(features), labels)[7]) == -labels[7]
