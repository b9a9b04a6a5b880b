import json

import numpy as np
import pytest
from abstention.calibration import TempScaling, VectorScaling, compute_ece
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import norm

from mmmask.errors import InputError
from mmmask.evaluation.calibration import (
    METHODS,
    Calibration,
    cross_calibrated,
    fit_calibration,
    influence,
    reliability,
)
from mmmask.labels import decode, marginals, product


def predictions(photos=1200, classes=3, sharpness=1.0, seed=0):
    """Labels drawn from probabilities, and the same probabilities made too sure."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(photos, classes)) + np.linspace(0, 1, classes)
    truth = (softmax(logits, axis=1).cumsum(axis=1) < random.random((photos, 1))).sum(axis=1)
    return truth, softmax(sharpness * logits, axis=1)


def joint_predictions(people=150, sharpness=(0.5, 1.0, 2.5), seed=0):
    """Labels of seven photos a person, and attributes that are too sure each in its own way."""
    random = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), 7)
    parts, label = {}, 0
    for name, classes, factor in zip(("mask", "gender", "age"), (3, 2, 3), sharpness, strict=True):
        logits = 2 * random.normal(size=(len(person), classes))
        true = softmax(logits, axis=1)
        value = (true.cumsum(axis=1) < random.random((len(person), 1))).sum(axis=1)
        label = label * classes + value
        parts[name] = softmax(factor * logits, axis=1)
    return person, label, product(parts)


@pytest.mark.parametrize("classes", [2, 3, 18])
def test_temperature_equals_that_of_abstention(classes) -> None:
    truth, p = predictions(classes=classes, sharpness=2)
    reference = TempScaling()(np.log(p), np.eye(classes)[truth])
    fitted = fit_calibration(p, truth, "temperature")
    np.testing.assert_allclose(fitted(p), reference(np.log(p)), atol=2e-4)
    assert fitted.parameters["scale"] == pytest.approx(0.5, abs=0.1)


def test_biases_without_a_prior_equal_those_of_abstention() -> None:
    truth, p = predictions(sharpness=2, classes=2)
    p = p * [0.2, 3]
    p /= p.sum(axis=1, keepdims=True)
    reference = TempScaling(bias_positions="all")(np.log(p), np.eye(2)[truth])
    fitted = fit_calibration(p, truth, "attribute", bias_spread=np.inf)
    np.testing.assert_allclose(fitted(p), reference(np.log(p)), atol=2e-3)


def test_vector_scaling_without_a_prior_equals_that_of_abstention() -> None:
    truth, p = predictions(sharpness=2)
    reference = VectorScaling()(np.log(p), np.eye(3)[truth])
    fitted = fit_calibration(p, truth, "vector", scale_spread=np.inf, bias_spread=np.inf)
    np.testing.assert_allclose(fitted(p), reference(np.log(p)), atol=2e-3)


def test_each_attribute_finds_its_own_scale() -> None:
    person, truth, p = joint_predictions(people=600)
    found = fit_calibration(p, truth, person=person).parameters
    scales = [found["scale"] + found[f"scale_{name}"] for name in ("mask", "gender", "age")]
    np.testing.assert_allclose(scales, [2, 1, 0.4], rtol=0.1)
    assert max(abs(value) for name, value in found.items() if name.startswith("bias")) < 0.1


def test_attributes_that_are_too_sure_apart_are_all_repaired_on_other_people() -> None:
    person, truth, p = joint_predictions()
    repaired = cross_calibrated(p, truth, person % 5, person=person)
    for name, labels in decode(truth).items():
        before, after = (
            reliability(marginals(values)[name], labels, person).ece for values in (p, repaired)
        )
        assert after < 0.05
        assert name == "gender" or before > 0.08
    one_scale = cross_calibrated(p, truth, person % 5, "temperature", person=person)
    mask = decode(truth)["mask"]
    assert reliability(marginals(one_scale)["mask"], mask, person).ece > 0.08


@pytest.mark.parametrize("joint", [True, False])
def test_evidence_between_two_ages_may_count_for_the_third(joint) -> None:
    """A network that takes the middle-aged for half old, as sure as it is."""
    person, truth, p = joint_predictions(people=400, sharpness=(1, 1, 1))
    parts = marginals(p)
    bent = np.array([[1, 0.3, 0], [0, 0.7, -0.4], [0, 0, 1]])
    logits = np.log(parts["age"]) @ bent
    parts["age"] = softmax(logits, axis=1)
    given, labels = (product(parts), truth) if joint else (parts["age"], decode(truth)["age"])

    def loss(values) -> float:
        ages = marginals(values)["age"] if values.shape[1] == 18 else values
        return -np.log(ages[np.arange(len(truth)), truth % 3]).mean()

    repaired = loss(fit_calibration(given, labels, person=person)(given))
    without = loss(fit_calibration(given, labels, person=person, scale_spread=0.01)(given))
    assert repaired < without - 0.003
    assert repaired == pytest.approx(loss(p), abs=0.003)


@pytest.mark.parametrize("method", METHODS)
def test_a_fit_is_where_the_penalised_likelihood_is_best(method) -> None:
    """By a loop over photos, at the fit and beside it."""
    person, truth, p = joint_predictions(people=30)
    fitted = fit_calibration(p, truth, method, person=person, scale_spread=0.3, bias_spread=0.4)

    def loss(parameters) -> float:
        q = Calibration(method, 18, parameters)(p).astype(float)
        total = sum(-np.log(q[row, label]) / 7 for row, label in enumerate(truth))
        for name, value in parameters.items():
            spread = {"scale": np.inf}.get(name, 0.3 if name.startswith("scale") else 0.4)
            total += value**2 / (2 * spread**2)
        return total

    best = loss(fitted.parameters)
    for name, value in fitted.parameters.items():
        for step in (-0.05, 0.05):
            assert loss({**fitted.parameters, name: value + step}) > best


def test_the_photos_of_a_person_count_as_one_against_the_prior() -> None:
    truth, p = predictions(photos=100, sharpness=2)
    once = fit_calibration(p, truth, "vector").parameters
    person = np.repeat(np.arange(100), 7)
    seven = fit_calibration(np.repeat(p, 7, axis=0), truth.repeat(7), "vector", person=person)
    assert seven.parameters == pytest.approx(once, abs=1e-4)
    alone = fit_calibration(np.repeat(p, 7, axis=0), truth.repeat(7), "vector").parameters
    assert max(abs(alone[name] - value) for name, value in once.items()) > 0.05


def test_a_class_that_nobody_has_is_not_banned() -> None:
    truth, p = predictions(photos=100, classes=18)
    seen = truth != 3
    sane = fit_calibration(p[seen], truth[seen], "vector")(p)
    free = fit_calibration(p[seen], truth[seen], "vector", scale_spread=np.inf, bias_spread=np.inf)
    assert sane[:, 3].mean() > 0.15 * p[:, 3].mean()
    assert free(p)[:, 3].mean() < 0.02 * p[:, 3].mean()


@pytest.mark.parametrize("method", METHODS)
def test_calibrated_predictions_stay_as_they_are(method) -> None:
    person, truth, p = joint_predictions(people=600, sharpness=(1, 1, 1))
    assert np.abs(fit_calibration(p, truth, method, person=person)(p) - p).max() < 0.12


def test_a_group_is_calibrated_without_its_own_labels() -> None:
    person, truth, p = joint_predictions(people=40)
    group = person % 4
    other = np.where(group == 2, (truth + 5) % 18, truth)
    one, two = (cross_calibrated(p, labels, group, person=person) for labels in (truth, other))
    np.testing.assert_array_equal(one[group == 2], two[group == 2])
    assert np.abs(one - two)[group != 2].max() > 0.01


@given(st.integers(0, 10**6), st.sampled_from(METHODS), st.sampled_from([2, 3, 18]))
@settings(max_examples=30, deadline=None)
def test_rows_sum_to_1_and_survive_json(seed, method, classes) -> None:
    truth, p = predictions(photos=40, classes=classes, sharpness=20, seed=seed)
    fitted = fit_calibration(p, truth, method)
    np.testing.assert_allclose(fitted(p).sum(axis=1), 1, rtol=1e-5)
    assert np.isfinite(fitted(np.eye(classes))).all()
    again = Calibration.from_dict(json.loads(json.dumps(fitted.to_dict())))
    assert again == fitted
    np.testing.assert_array_equal(again(p), fitted(p))


def test_one_temperature_moves_no_decision() -> None:
    truth, p = predictions(classes=18, sharpness=3)
    calibrated = fit_calibration(p, truth, "temperature")(p)
    np.testing.assert_array_equal(calibrated.argmax(axis=1), p.argmax(axis=1))


@pytest.mark.parametrize("bins", [5, 15])
def test_the_calibration_error_equals_that_of_abstention(bins) -> None:
    truth, p = predictions(sharpness=2)
    expected = compute_ece(p, np.eye(3)[truth], bins + 1) / 100  # it counts edges, in percent
    found = reliability(p, truth, np.arange(len(truth)), bins)
    assert found.ece == pytest.approx(expected)


def test_a_bin_holds_its_upper_bound_and_certain_answers_the_last() -> None:
    p = np.array([[0.6, 0.4], [0.61, 0.39], [1.0, 0.0], [np.float32(1.0000001), 0]])
    found = reliability(p, [0, 0, 1, 1], np.arange(4), bins=5)
    assert found.photos.tolist() == [0, 0, 1, 1, 2]
    assert found.accuracy.tolist() == [0, 0, 1, 1, 0]


def alike_photos(people: int, seed: int):
    """Return person, labels drawn from probabilities, and these, of seven photos each.

    A person's photos look alike and share part of their luck.
    """
    random = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), 7)
    face = random.normal(size=(people, 3))[person]
    p = softmax(1.2 * face + 0.6 * random.normal(size=(len(person), 3)), axis=1)
    p = -np.sort(-p, axis=1)  # the top answer is always 0, so good luck makes it right
    luck = np.sqrt(0.6) * random.normal(size=people)[person]
    luck += np.sqrt(0.4) * random.normal(size=len(person))
    labels = (p.cumsum(axis=1) < norm.cdf(luck)[:, None]).sum(axis=1)
    return person, labels, p


@pytest.mark.parametrize(("people", "repeats"), [(60, 200), (140, 200), (700, 100)])
def test_calibrated_probabilities_have_the_error_that_chance_gives(people, repeats) -> None:
    errors, by_chance, too_sure = [], [], []
    for seed in range(repeats):
        person, labels, p = alike_photos(people, seed)
        found = reliability(p, labels, person)
        errors.append(found.ece)
        by_chance.append(found.ece_by_chance)
        too_sure.append(reliability(softmax(2 * np.log(p), axis=1), labels, person).ece)
    assert np.mean(by_chance) == pytest.approx(np.mean(errors), rel=0.08)
    assert np.mean(too_sure) > 2 * np.mean(by_chance)
    alone = reliability(p, labels, np.arange(len(labels)))  # as if all photos were others
    assert alone.ece_by_chance < 0.9 * by_chance[-1]


def test_the_error_of_a_bin_is_that_of_a_ratio_over_people() -> None:
    """By the jackknife, which for a ratio is nearly the same."""
    person, labels, p = alike_photos(60, seed=0)
    found = reliability(p, labels, person, bins=5)
    gaps = []
    for who in range(60):
        rest = person != who
        left = reliability(p[rest], labels[rest], person[rest], bins=5)
        gaps.append(left.confidence - left.accuracy)
    jackknife = np.sqrt(59 * np.var(gaps, axis=0))
    np.testing.assert_allclose(found.error[2:], jackknife[2:], rtol=0.05)


def test_of_one_person_nothing_is_known_about_chance() -> None:
    assert np.isnan(reliability(np.array([[0.6, 0.4]]), [0], [7]).ece_by_chance)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"method": "platt"}, "method must be one of attribute, temperature, vector; got 'platt'"),
        ({"classes": 1}, "classes must be from 2 to 18; got 1"),
        (
            {"parameters": {"scale": 1}},
            "parameters must be scale, bias_00, bias_01; got {'scale': 1}",
        ),
        ({"parameters": None}, "parameters must be scale"),
        ({"parameters": {"scale": np.nan, "bias_00": 0, "bias_01": 0}}, "parameter scale must be"),
    ],
)
def test_what_is_no_calibration_is_refused(change, sentence) -> None:
    truth, p = predictions(photos=30, classes=2)
    content = fit_calibration(p, truth).to_dict() | change
    with pytest.raises(InputError, match=sentence):
        Calibration.from_dict(content)
    with pytest.raises(InputError, match="must be a JSON object; got list"):
        Calibration.from_dict([content])


def test_an_unknown_method_is_refused() -> None:
    truth, p = predictions(photos=30)
    with pytest.raises(InputError, match="method must be one of attribute, temperature, vector"):
        fit_calibration(p, truth, "platt")


@pytest.mark.parametrize("method", METHODS)
def test_influence_foretells_the_fit_without_a_person(method) -> None:
    person, truth, p = joint_predictions(people=60)
    fitted = fit_calibration(p, truth, method, person=person)
    found = influence(fitted, p, truth, person)
    for who in (0, 7):
        rest = person != who
        refitted = fit_calibration(p[rest], truth[rest], method, person=person[rest])
        expected = np.subtract(*([*one.parameters.values()] for one in (refitted, fitted)))
        assert np.abs(expected).max() > 0.002
        np.testing.assert_allclose(-found[who], expected, atol=0.25 * np.abs(expected).max())
        np.testing.assert_allclose(
            fitted.moved(-found[who])(p),
            refitted(p),
            atol=0.2 * np.abs(refitted(p) - fitted(p)).max(),
        )


def test_photos_of_unknown_class_are_calibrated_and_not_fitted_on() -> None:
    truth, probabilities = predictions(photos=300)
    some = np.where(np.arange(300) % 3 == 0, -1, truth)
    known, person = some >= 0, np.arange(300) // 2
    expected = fit_calibration(probabilities[known], truth[known], person=person[known])
    assert fit_calibration(probabilities, some, person=person) == expected
    crossed = cross_calibrated(probabilities, some, person % 2, person=person)
    assert np.isfinite(crossed).all()
