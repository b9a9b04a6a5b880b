import numpy as np
import pytest

from mmmask.evaluation.intervals import counts_by_person, macro_f1_of_draws, paired_difference
from mmmask.evaluation.scores import macro_f1
from mmmask.evaluation.selection import (
    cross_selected,
    deal,
    flattery,
    select,
    simultaneous_low,
)


def world(
    seed: int, models: int, *, people: int = 100, better: float = 0.0, alike: float = 0.7
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Models that are right on other people by chance alone; the last one may be better.

    Models share how hard a person is in all but ``1 - alike`` of the people.
    """
    random = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), 7)
    mask = np.tile([0, 0, 0, 0, 0, 1, 2], people)
    truth = mask * 6 + np.repeat(random.integers(0, 6, people), 7)
    wrong = mask * 6 + (truth % 6 + random.integers(1, 6, len(truth))) % 6
    shared = random.random(people)  # how hard a person is for all models
    predicted = []
    for model in range(models):
        hard = np.where(random.random(people) < 1 - alike, random.random(people), shared)
        right = 0.6 + (better if model == models - 1 else 0)
        predicted.append(np.where(np.repeat(hard, 7) < right, truth, wrong))
    return person, truth, predicted


def test_scores_and_differences_are_those_of_each_model_alone() -> None:
    person, truth, predicted = world(0, 3)
    found = select(person, truth, predicted)
    assert [score.value for score in found.scores] == [macro_f1(truth, one) for one in predicted]
    alone = [paired_difference(person, truth, [one], predicted[:1]) for one in predicted]
    for one, other in zip(found.differences, alone, strict=True):
        assert (one.value, one.low, one.high) == pytest.approx(
            (other.value, other.low, other.high), abs=1e-9
        )
    assert found.best == np.argmax([macro_f1(truth, one) for one in predicted])


def test_the_best_of_equal_models_gains_nothing_and_is_not_shown() -> None:
    found = [select(*world(seed, 12), resamples=300, seed=seed) for seed in range(60)]
    apparent = np.array([one.differences[one.best].value for one in found])
    corrected = np.array([one.corrected for one in found])
    assert apparent.mean() > 0.03  # what choosing the best of 12 feigns
    standard_error = corrected.std(ddof=1) / np.sqrt(len(found))
    assert abs(corrected.mean()) < min(3 * standard_error, 0.5 * apparent.mean())
    naive = sum(one.differences[one.best].low > 0 for one in found)
    assert sum(one.shown for one in found) <= 4 < naive  # of 60; 2.5 % are allowed


def test_a_much_better_model_is_shown_and_its_gain_kept() -> None:
    found = select(*world(0, 8, people=200, better=0.25))
    gain = found.differences[7].value
    assert found.best == 7
    assert found.shown
    assert found.corrected == pytest.approx(gain)  # it is the best without any group of people
    assert 0 < found.low < gain


def test_the_baseline_may_be_the_best() -> None:
    person, truth, _ = world(0, 1)
    found = select(person, truth, [truth, (truth + 1) % 18])
    assert found.best == 0
    assert (found.corrected, found.shown) == (0, False)


def test_cross_selection_equals_a_loop_over_groups_of_people() -> None:
    person, truth, predicted = world(3, 5, people=30)
    counts = np.stack([counts_by_person(person, truth, one) for one in predicted])
    dealt = np.random.default_rng(0).integers(0, 4, (6, 30))
    expected = []
    for groups in dealt:
        answer = np.empty_like(truth)
        for group in range(4):
            inside = groups[person] == group
            others = [macro_f1(truth[~inside], one[~inside]) for one in predicted]
            answer[inside] = predicted[int(np.argmax(others))][inside]
        expected.append(macro_f1(truth, answer))
    assert cross_selected(counts, dealt) == pytest.approx(expected)


def test_the_bound_of_one_model_is_the_basic_bootstrap_and_falls_with_more_models() -> None:
    random = np.random.default_rng(0)
    noise = random.normal(0, 0.02, (20, 2001))
    gains = np.zeros((20, 2001))
    gains[:, 1:] = noise[:, 1:]
    gains += 0.05  # each gains 0.05, by the same noise
    bounds = [simultaneous_low(gains[:models]) for models in (1, 5, 20)]
    assert bounds[0] == pytest.approx(0.05 - np.quantile(noise[0, 1:], 0.975))
    assert bounds[0] > bounds[1] > bounds[2]


def test_fewer_people_than_groups_are_enough() -> None:
    person, truth, predicted = world(0, 3, people=4)
    assert np.isfinite(select(person, truth, predicted).corrected)


def test_models_of_one_attribute_are_scored_by_its_values() -> None:
    person = np.repeat(np.arange(4), 3)
    truth = np.tile([0, 1, 2], 4)
    found = select(person, truth, [truth, np.zeros_like(truth)], classes=3)
    assert [score.value for score in found.scores] == pytest.approx([1, 0.5 / 3])


def all_counts(seed: int, models: int, **more) -> np.ndarray:
    person, truth, predicted = world(seed, models, **more)
    return np.stack([counts_by_person(person, truth, one) for one in predicted])


def of_all(counts: np.ndarray) -> np.ndarray:
    """Return macro F1 of each model, (M,)."""
    return np.array([macro_f1_of_draws(np.ones((1, len(one))), one)[0] for one in counts])


def test_the_flattery_of_the_best_of_12_equal_epochs_is_estimated_without_bias() -> None:
    """Chosen by 140 people; on others each is as good as any."""
    epochs = [all_counts(seed, 12, people=140, alike=0.9) for seed in range(300)]
    scores = np.stack([of_all(counts) for counts in epochs])
    real = scores.max(axis=1) - scores.mean(axis=1)
    assert 0.02 < real.mean() < 0.04
    error = np.array([flattery([counts]) for counts in epochs]) - real
    assert abs(error.mean()) < 0.004
    assert error.std(ddof=1) / np.sqrt(len(error)) < 0.002  # half of the tolerance


def test_an_epoch_that_is_the_best_for_everybody_is_not_flattered() -> None:
    assert flattery([all_counts(0, 12, people=140, better=0.3)]) == pytest.approx(0, abs=1e-12)


def test_the_flattery_of_one_choice_is_its_score_less_the_cross_selected_one() -> None:
    counts = all_counts(5, 6, people=40)
    expected = of_all(counts).max() - cross_selected(counts, deal(40)).mean()
    assert flattery([counts]) == pytest.approx(expected, abs=1e-12)


def test_the_people_of_all_folds_are_scored_together() -> None:
    folds = [all_counts(seed, 5, people=40) for seed in (1, 2)]
    dealt = deal(40)
    chosen, others = (
        [counts[of_all(counts).argmax()] for counts in folds],
        [
            sum(
                (dealt[row] == group)[:, None, None]
                * counts[of_all(counts[:, dealt[row] != group]).argmax()]
                for group in range(10)
            )
            for row in range(100)
            for counts in folds
        ],
    )
    one = of_all(np.concatenate(chosen)[None])[0]
    other = [of_all(np.concatenate(others[2 * row : 2 * row + 2])[None])[0] for row in range(100)]
    assert flattery(folds) == pytest.approx(one - np.mean(other), abs=1e-12)
