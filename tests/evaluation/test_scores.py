import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss

from mmmask.evaluation.scores import (
    attribute_scores,
    confusion,
    fit_temperature,
    macro_f1,
    scores,
)
from mmmask.labels import decode

labels = st.lists(st.tuples(st.integers(0, 17), st.integers(0, 17)), min_size=1, max_size=200)


@settings(max_examples=200, deadline=None)
@given(pairs=labels)
def test_macro_f1_and_confusion_equal_scikit_learns(pairs) -> None:
    truth, predicted = np.array(pairs).T
    expected = f1_score(truth, predicted, labels=range(18), average="macro", zero_division=0)
    assert macro_f1(truth, predicted) == pytest.approx(expected, abs=1e-12)
    expected = confusion_matrix(truth, predicted, labels=range(18))
    assert np.array_equal(confusion(truth, predicted), expected)


def test_scores_equal_scikit_learns_on_a_random_table() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(0, 18, 500)
    probabilities = softmax(random.normal(size=(500, 18)) + 2 * np.eye(18)[truth], axis=1)
    predicted = probabilities.argmax(axis=1)
    result = scores(truth, probabilities)
    assert result["accuracy"] == pytest.approx(accuracy_score(truth, predicted))
    assert result["nll"] == pytest.approx(log_loss(truth, probabilities, labels=range(18)))
    per_class = f1_score(truth, predicted, labels=range(18), average=None, zero_division=0)
    assert [result[f"f1_{k:02d}"] for k in range(18)] == pytest.approx(per_class.tolist())
    for name in ("mask", "gender", "age"):
        expected = accuracy_score(decode(truth)[name], decode(predicted)[name])
        assert result[f"{name}_accuracy"] == pytest.approx(expected)


def test_a_class_that_never_occurs_counts_as_0() -> None:
    truth = np.arange(17)
    assert macro_f1(truth, truth) == pytest.approx(17 / 18)


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 4.0])
def test_the_temperature_undoes_over_and_under_confidence(sharpness: float) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(scale=2, size=(20_000, 18))
    honest = softmax(logits, axis=1)
    truth = (honest.cumsum(axis=1) > random.random((len(honest), 1))).argmax(axis=1)
    fitted = fit_temperature(truth, softmax(sharpness * logits, axis=1).astype(np.float32))
    assert fitted == pytest.approx(sharpness, rel=0.04)


def test_certain_and_wrong_predictions_keep_the_loss_finite() -> None:
    certain = np.eye(18, dtype=np.float32)[[3, 4]]
    result = scores(np.array([3, 5]), certain)
    assert np.isfinite(result["nll"])
    assert np.isfinite(fit_temperature(np.array([3, 5]), certain))


@pytest.mark.parametrize("values", [2, 3])
def test_scores_of_one_attribute_equal_scikit_learns(values) -> None:
    random = np.random.default_rng(1)
    truth = random.integers(0, values, 200)
    probabilities = softmax(random.normal(size=(200, values)) + np.eye(values)[truth], axis=1)
    predicted = probabilities.argmax(axis=1)
    result = attribute_scores(truth, probabilities)
    assert result["accuracy"] == pytest.approx(accuracy_score(truth, predicted))
    assert result["nll"] == pytest.approx(log_loss(truth, probabilities))
    per_value = f1_score(truth, predicted, average=None)
    assert [result[f"f1_{k}"] for k in range(values)] == pytest.approx(per_value)
    assert result["macro_f1"] == pytest.approx(per_value.mean())


def test_a_temperature_by_sets_of_one_class_is_that_by_labels() -> None:
    random = np.random.default_rng(5)
    probabilities = random.dirichlet(np.ones(18), size=60)
    truth = random.integers(0, 18, 60)
    expected = fit_temperature(truth, probabilities)
    assert fit_temperature(np.eye(18, dtype=bool)[truth], probabilities) == pytest.approx(expected)
