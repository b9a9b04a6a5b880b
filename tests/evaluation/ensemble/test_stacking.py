import numpy as np
import pytest
from scipy.special import softmax
from simulated_models import models
from sklearn.linear_model import LogisticRegression

from mmmask.errors import InputError
from mmmask.evaluation.ensemble.stacking import features, fit_stack
from mmmask.evaluation.scores import macro_f1
from mmmask.labels import decode, marginals


def side_by_side(tables, attribute=None):
    return np.concatenate([features(table, attribute) for table in tables], axis=1)


def test_features_are_centred_logarithms_of_the_attributes() -> None:
    (table,), _, _ = models([2.0])
    found, parts = features(table), marginals(table)
    assert found.shape == (len(table), 8) and found.dtype == np.float32
    np.testing.assert_allclose(softmax(found[:, :3], axis=1), parts["mask"], rtol=1e-4)
    np.testing.assert_allclose(softmax(found[:, 3:5], axis=1), parts["gender"], rtol=1e-4)
    np.testing.assert_allclose(softmax(found[:, 5:], axis=1), parts["age"], rtol=1e-4)
    np.testing.assert_allclose(found[:, :3].sum(axis=1), 0, atol=1e-4)


def test_each_attribute_is_scikit_learns_regression_on_all_features() -> None:
    tables, truth, person = models([1.0, 2.0])
    values = side_by_side(tables)
    found = marginals(fit_stack(values, truth, person=person)(values))
    for name, labels in decode(truth).items():
        scaled = values / values.std(axis=0)
        reference = LogisticRegression(C=0.3, tol=1e-8, max_iter=5000)
        reference.fit(scaled, labels, sample_weight=np.full(len(labels), 1 / 7))
        np.testing.assert_allclose(found[name], reference.predict_proba(scaled), atol=1e-3)


def test_a_stack_of_one_attribute_predicts_its_values() -> None:
    tables, truth, person = models([1.0, 2.0])
    ages = [marginals(table)["age"] for table in tables]
    values = side_by_side(ages, "age")
    assert values.shape[1] == 6
    found = fit_stack(values, decode(truth)["age"], person=person, attribute="age")(values)
    assert found.shape == (len(truth), 3)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
    assert (found.argmax(axis=1) == decode(truth)["age"]).mean() > 0.6


def test_a_stack_learns_what_a_mean_cannot() -> None:
    """A model that takes each gender for the other helps, once somebody notices."""
    (good, confused), truth, person = models([2.0, 3.0], people=150)
    swapped = confused.reshape(-1, 3, 2, 3)[:, :, ::-1].reshape(-1, 18)
    half = person < 75
    values = side_by_side([good, swapped])
    stack = fit_stack(values[half], truth[half], person=person[half])
    stacked, mean = stack(values[~half]), (good + swapped)[~half]
    scores = [macro_f1(truth[~half], one.argmax(axis=1)) for one in (stacked, mean)]
    assert scores[0] > scores[1] + 0.1


def test_a_value_without_a_photo_is_refused() -> None:
    tables, truth, _ = models([1.0])
    young = decode(truth)["age"] < 2
    with pytest.raises(InputError, match="needs photos of each age; none of the 288 is >=60"):
        fit_stack(side_by_side(tables)[young], truth[young])


def test_a_feature_that_never_changes_is_no_obstacle() -> None:
    tables, truth, _ = models([1.0])
    values = np.c_[side_by_side(tables), np.ones(len(truth), np.float32)]
    assert np.isfinite(fit_stack(values, truth)(values)).all()
