import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax

from mmmask.evaluation.label_issues import (
    Channel,
    age_channel,
    best_alternative,
    class_channel,
    error_rate,
    fit_votes,
    judge,
    log_odds,
    log_p_of_people,
    median_elsewhere,
    pooled,
    swap_ratios,
)


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
    np.testing.assert_allclose(fit_votes(evidence, class_channel(labels, 2)), 1, atol=0.15)


def test_models_that_are_too_sure_get_fewer_votes() -> None:
    labels, evidence = people(1, scale=4)
    np.testing.assert_allclose(fit_votes(evidence, class_channel(labels, 2)), 1 / 4, atol=0.05)


def test_copies_of_a_photo_count_together_as_one() -> None:
    labels, evidence = people(2, states=1)
    copies = fit_votes(np.repeat(evidence, 3, axis=1), class_channel(labels, 2))
    once = fit_votes(evidence, class_channel(labels, 2))
    assert copies.sum() == pytest.approx(once.sum(), abs=5e-3)


def likelihood(evidence, channel: Channel, votes, rate: float) -> float:
    """Return the log likelihood of the labels, written out."""
    p = np.exp(pooled(evidence, votes))
    return np.log(((1 - rate) * channel.right * p + rate * channel.wrong * p).sum(axis=1)).sum()


def test_no_other_votes_make_the_labels_more_probable() -> None:
    labels, evidence = people(3, count=200)
    evidence[:, 2] *= -1  # speaks against the truth: not negative but no vote
    channel = class_channel(labels, 2)
    votes = fit_votes(evidence, channel)
    assert votes[2] == 0
    rates = np.linspace(0, 0.1, 40)

    def best(votes) -> float:
        return max(likelihood(evidence, channel, votes, rate) for rate in rates)

    for step in np.random.default_rng(0).normal(0, 0.05, (20, 3)):
        assert best(np.maximum(votes + step, 0)) <= best(votes) + 0.01


def test_wrong_labels_do_not_make_good_models_look_unsure() -> None:
    labels, evidence = people(5, scale=2)
    flipped = np.random.default_rng(0).random(len(labels)) < 0.05
    votes = fit_votes(evidence, class_channel(np.where(flipped, 1 - labels, labels), 2))
    np.testing.assert_allclose(votes, 0.5, atol=0.1)


def test_photos_that_tell_all_have_finite_votes() -> None:
    labels = np.arange(100) % 2
    evidence = np.log(np.where(np.eye(2)[labels], 0.9, 0.1))[:, None]
    judged = judge(evidence, class_channel(labels, 2))
    assert 3 < judged.votes[0] < 100
    assert error_rate(judged.ratios).value == 0


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.05, 0.2])
def test_the_rate_of_wrong_labels_is_found_and_so_is_each(rate: float) -> None:
    labels, evidence = people(6, count=20_000, states=9)
    wrong = np.random.default_rng(0).random(len(labels)) < rate
    judged = judge(evidence, class_channel(np.where(wrong, 1 - labels, labels), 2))
    found = error_rate(judged.ratios)
    assert found.low <= wrong.mean() <= found.high
    assert (found.low > 0) == (rate > 0)
    probability = 1 / (1 + np.exp(-log_odds(judged.ratios, found.value)))
    for low, high in ((0.1, 0.5), (0.5, 0.9), (0.9, 1)):
        part = (probability >= low) & (probability < high)
        if part.sum() > 100:
            assert wrong[part].mean() == pytest.approx(probability[part].mean(), abs=0.08)


@given(st.integers(0, 10**6), st.integers(1, 60), st.floats(0.1, 300))
@settings(max_examples=60, deadline=None)
def test_the_interval_of_the_rate_is_where_the_likelihood_says(seed, size, spread) -> None:
    ratios = spread * np.random.default_rng(seed).normal(-1, 1, size)
    found = error_rate(ratios)
    assert 0 <= found.low <= found.value <= found.high <= 0.4

    def likelihood(rate: float) -> float:
        return np.logaddexp(np.log1p(-rate), np.log(max(rate, 1e-300)) + ratios).sum()

    best = likelihood(found.value)
    assert all(likelihood(rate) <= best + 1e-6 for rate in np.linspace(0, 0.4, 50))
    for bound, end in ((found.low, 0), (found.high, 0.4)):
        if bound != end:
            assert best - likelihood(bound) == pytest.approx(1.92, abs=1e-3)


def test_pooled_people_have_probabilities() -> None:
    _, evidence = people(4, count=5)
    np.testing.assert_allclose(np.exp(pooled(evidence, np.array([0.5, 0.2, 3]))).sum(axis=1), 1)


def test_the_best_alternative_is_the_best_of_the_others() -> None:
    log_p = np.log([[0.7, 0.1, 0.2], [0.1, 0.6, 0.3], [0.4, 0.4, 0.2]])
    assert best_alternative(log_p, np.array([0, 0, 2])).tolist() == [2, 1, 0]


def test_the_ratio_of_a_class_is_by_all_others() -> None:
    p = np.random.default_rng(0).dirichlet(np.ones(3), 40)
    labels = np.arange(40) % 3
    judged = judge(np.log(p)[:, None], class_channel(labels, 3))
    q = softmax(judged.votes[0] * np.log(p), axis=1)
    own = q[np.arange(40), labels]
    np.testing.assert_allclose(judged.ratios, np.log((1 - own) / 2 / own))


def test_a_swap_is_scored_by_both_photos() -> None:
    log_p = np.log(np.random.default_rng(0).dirichlet(np.ones(3), 6))
    one, other = np.array([0, 4]), np.array([3, 1])
    scores = swap_ratios(log_p, one, other, (1, 2))
    for row, (a, b) in enumerate(zip(one, other, strict=True)):
        as_named, swapped = log_p[a, 1] + log_p[b, 2], log_p[a, 2] + log_p[b, 1]
        assert scores[row] == pytest.approx(swapped - as_named)


def test_two_photos_that_are_unsure_alone_prove_a_swap_together() -> None:
    log_p = np.log([[0.1, 0.2, 0.7], [0.1, 0.7, 0.2]])
    alone = np.log([0.7 / 0.2, 0.7 / 0.2])
    (both,) = swap_ratios(log_p, np.array([0]), np.array([1]), (1, 2))
    assert both == pytest.approx(alone.sum())


def test_a_wrong_age_is_any_of_another_group() -> None:
    group = np.repeat([0, 1, 2], [3, 4, 3])
    ages = np.array([0, 4, 6, 9])
    channel = age_channel(ages, group, deviation=2)
    p = np.random.default_rng(0).dirichlet(np.ones(10), 4)
    proposed = median_elsewhere(np.log(p), channel)
    for row, age in enumerate(ages):
        others = [year for year in range(10) if group[year] != group[age]]
        assert channel.wrong[row] == pytest.approx(np.isin(range(10), others) / 10)
        below = sum(p[row, year] for year in others if year < proposed[row])
        assert below < sum(p[row, others]) / 2 <= below + p[row, proposed[row]]
        assert proposed[row] in others


def test_a_right_age_errs_by_some_years_around_the_true_one() -> None:
    years = np.arange(100)
    right = age_channel(years, years // 30, deviation=3).right  # (label, true age)
    np.testing.assert_allclose(right.sum(axis=0), 1)  # of each true age, over the labels
    assert right[:, 50] @ years == pytest.approx(50)
    assert np.sqrt(right[:, 50] @ (years - 50) ** 2) == pytest.approx(3, rel=1e-3)


def test_a_label_at_the_edge_of_its_group_is_no_issue_by_itself() -> None:
    shown = log_softmax(-0.5 * ((np.arange(100) - np.array([[30, 30, 30]]).T) / 2.0) ** 2, axis=1)
    channel = age_channel(np.array([30, 45, 75]), np.arange(100) // 30, deviation=8)
    wrong, right = (np.log((of * np.exp(shown)).sum(axis=1)) for of in channel[::-1])
    ratios = wrong - right
    assert ratios[0] < -1
    assert (np.diff(ratios) > 1).all()
    assert ratios[2] > 5
    assert 29 <= median_elsewhere(shown, channel)[2] <= 31


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
        ratios = judge(evidence, class_channel(labels, 2)).ratios
        first = np.argsort(-ratios)[: 9 if least == 1 else 18]
        found.append(np.isin(flipped, first).mean())
    assert np.mean(found) >= least
