import numpy as np
import pytest
from cleanlab.count import compute_confident_joint
from cleanlab.filter import find_label_issues
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax

from mmmask.evaluation.label_issues import (
    age_scores,
    best_alternative,
    blurred,
    confident_errors,
    confident_joint,
    expected_errors,
    fit_votes,
    log_p_of_people,
    pooled,
    swap_scores,
)


def noisy(seed: int, photos: int = 400, classes: int = 3, wrong: float = 0.1, sure: float = 3.0):
    """Return truth, labels of which a share is wrong, and probabilities that follow the truth."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, photos)
    logits = random.normal(size=(photos, classes)) + sure * np.eye(classes)[truth]
    other = (truth + random.integers(1, classes, photos)) % classes
    labels = np.where(random.random(photos) < wrong, other, truth)
    return truth, labels, softmax(logits, axis=1)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    photos=st.integers(20, 200),
    classes=st.integers(2, 5),
    sure=st.floats(0, 6),
)
def test_confident_joint_and_flagged_labels_are_cleanlabs(seed, photos, classes, sure) -> None:
    _, labels, probabilities = noisy(seed, photos, classes, sure=sure)
    labels[:classes] = range(classes)  # cleanlab asks for every class
    counts = compute_confident_joint(labels, probabilities, calibrate=False)
    given_counts = np.bincount(labels, minlength=classes)
    expected = counts / counts.sum(axis=1, keepdims=True) * given_counts[:, None]
    joint = confident_joint(labels, probabilities)
    np.testing.assert_allclose(joint, expected)
    # The same after cleanlab's rounding to whole rows.
    assert np.abs(joint - compute_confident_joint(labels, probabilities)).max() <= 1
    theirs = find_label_issues(
        labels, probabilities, filter_by="confident_learning", min_examples_per_class=0
    )
    np.testing.assert_array_equal(confident_errors(labels, probabilities), theirs)


def test_a_class_without_labels_is_nobodys_true_class() -> None:
    _, labels, probabilities = noisy(0, classes=3)
    labels = np.where(labels == 2, 0, labels)
    joint = confident_joint(labels, probabilities)
    assert joint.sum() == pytest.approx(len(labels))
    assert (joint[:2, 2] == 0).all()
    assert (joint[2] == 0).all()


def test_expected_errors_are_about_those_there_are() -> None:
    truth, labels, probabilities = noisy(1, photos=5000, wrong=0.06, sure=6)
    wrong = (truth != labels).sum()
    assert expected_errors(confident_joint(labels, probabilities)) == pytest.approx(wrong, rel=0.2)
    flagged = confident_errors(labels, probabilities)
    assert (truth != labels)[flagged].mean() > 0.9


def test_evidence_is_the_mean_log_probability_of_a_persons_photos_in_a_state() -> None:
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(2), 9)
    person = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2])
    state = np.array([0, 0, 1, 2, 2, 0, 1, 2, 2])
    evidence = log_p_of_people(probabilities, person, state)
    assert evidence.shape == (3, 3, 2)
    for p in range(3):
        for s in range(3):
            mine = (person == p) & (state == s)
            expected = np.log(probabilities[mine]).mean(axis=0) if mine.any() else [0, 0]
            np.testing.assert_allclose(evidence[p, s], expected)


def test_a_probability_of_nought_is_no_infinite_evidence() -> None:
    evidence = log_p_of_people(np.array([[0.0, 1.0]]), np.array([0]), np.array([0]))
    assert np.isfinite(evidence).all()


def people(seed: int, count: int = 3000, states: int = 3, scale: float = 1.0):
    """Return labels drawn from calibrated independent evidence, which is then scaled."""
    random = np.random.default_rng(seed)
    evidence = log_softmax(random.normal(size=(count, states, 2)), axis=2)
    p = softmax(evidence.sum(axis=1), axis=1)
    return (random.random(count) < p[:, 1]).astype(int), scale * evidence


def test_independent_calibrated_photos_count_a_vote_each() -> None:
    labels, evidence = people(0)
    np.testing.assert_allclose(fit_votes(evidence, labels), 1, atol=0.15)


def test_models_that_are_too_sure_get_fewer_votes() -> None:
    labels, evidence = people(1, scale=4)
    np.testing.assert_allclose(fit_votes(evidence, labels), 1 / 4, atol=0.05)


def test_copies_of_a_photo_count_together_as_one() -> None:
    labels, evidence = people(2, states=1)
    copies = fit_votes(np.repeat(evidence, 3, axis=1), labels)
    assert copies.sum() == pytest.approx(fit_votes(evidence, labels).sum(), abs=1e-3)


def test_no_other_votes_make_the_labels_more_probable() -> None:
    labels, evidence = people(3, count=200)
    evidence[:, 2] *= -1  # speaks against the truth: not negative but no vote
    votes = fit_votes(evidence, labels)
    assert votes[2] == 0

    def likelihood(votes) -> float:
        return pooled(evidence, votes)[np.arange(200), labels].sum()

    for step in np.random.default_rng(0).normal(0, 0.05, (50, 3)):
        assert likelihood(np.maximum(votes + step, 0)) <= likelihood(votes) + 1e-6


def test_pooled_people_have_probabilities() -> None:
    _, evidence = people(4, count=5)
    np.testing.assert_allclose(np.exp(pooled(evidence, np.array([0.5, 0.2, 3]))).sum(axis=1), 1)


def test_the_best_alternative_is_the_best_of_the_others() -> None:
    log_p = np.log([[0.7, 0.1, 0.2], [0.1, 0.6, 0.3], [0.4, 0.4, 0.2]])
    proposed, scores = best_alternative(log_p, np.array([0, 0, 2]))
    assert proposed.tolist() == [2, 1, 0]
    np.testing.assert_allclose(scores, np.log([2 / 7, 6, 2]))


def test_a_swap_is_scored_by_both_photos() -> None:
    log_p = np.log(np.random.default_rng(0).dirichlet(np.ones(3), 6))
    one, other = np.array([0, 4]), np.array([3, 1])
    scores = swap_scores(log_p, one, other, (1, 2))
    for row, (a, b) in enumerate(zip(one, other, strict=True)):
        as_named, swapped = log_p[a, 1] + log_p[b, 2], log_p[a, 2] + log_p[b, 1]
        assert scores[row] == pytest.approx(swapped - as_named)


def test_two_photos_that_are_unsure_alone_prove_a_swap_together() -> None:
    log_p = np.log([[0.1, 0.2, 0.7], [0.1, 0.7, 0.2]])
    alone = best_alternative(log_p, np.array([1, 2]))[1]
    (both,) = swap_scores(log_p, np.array([0]), np.array([1]), (1, 2))
    assert both == pytest.approx(alone.sum())


def test_an_age_is_scored_by_all_ages_of_the_other_groups() -> None:
    p = np.random.default_rng(0).dirichlet(np.ones(10), 4)
    group, labels = np.repeat([0, 1, 2], [3, 4, 3]), np.array([0, 4, 6, 9])
    proposed, scores = age_scores(np.log(p), labels, group, possible=10)
    for row, label in enumerate(labels):
        others = [year for year in range(10) if group[year] != group[label]]
        wrong = sum(p[row, year] for year in others) / 10
        assert scores[row] == pytest.approx(np.log(wrong / p[row, label]))
        below = sum(p[row, year] for year in others if year < proposed[row])
        assert below < sum(p[row, others]) / 2 <= below + p[row, proposed[row]]
        assert proposed[row] in others


def test_a_label_at_the_edge_of_its_group_is_no_issue_by_itself() -> None:
    years, group = blurred(np.eye(100)[[30, 30, 30]], 8), np.arange(100) // 30
    labels = np.array([30, 45, 75])
    proposed, scores = age_scores(np.log(years), labels, group, possible=60)
    assert scores[0] < -1
    assert (np.diff(scores) > 1).all()
    assert scores[2] > 5
    assert proposed[2] == 30


def test_blurred_ages_stay_probabilities_and_keep_their_mean() -> None:
    years = np.eye(100)[[50]]
    soft = blurred(years, 3)
    assert soft.sum() == pytest.approx(1)
    assert soft @ np.arange(100) == pytest.approx(50)
    assert np.sqrt(soft @ (np.arange(100) - 50) ** 2) == pytest.approx(3, rel=1e-3)


@pytest.mark.parametrize(("sure", "least"), [(14, 1.0), (4, 0.85)])
def test_planted_flips_rank_first(sure: float, least: float) -> None:
    """Of 700 people with 9 flips: all found in 9 where photos tell, most in 18 where they don't."""
    found = []
    for seed in range(5):
        random = np.random.default_rng(seed)
        truth = random.integers(0, 2, 700)
        face = random.normal(size=(700, 1, 2))  # what the photos of a person have in common
        logits = face + 0.5 * random.normal(size=(700, 7, 2)) + sure * np.eye(2)[truth][:, None]
        person, state = np.repeat(np.arange(700), 7), np.tile([0] * 5 + [1, 2], 700)
        evidence = log_p_of_people(softmax(logits, axis=2).reshape(-1, 2), person, state)
        flipped = random.choice(700, 9, replace=False)
        labels = truth.copy()
        labels[flipped] = 1 - labels[flipped]
        _, scores = best_alternative(pooled(evidence, fit_votes(evidence, labels)), labels)
        first = np.argsort(-scores)[: 9 if least == 1 else 18]
        found.append(np.isin(flipped, first).mean())
    assert np.mean(found) >= least
