import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmmask.evaluation.pseudo_labels import agreeing, choose_sure


def draw(seed: int, photos: int = 60, classes: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(classes, 0.3), photos)


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 999),
    threshold=st.floats(0, 1),
    most=st.one_of(st.none(), st.lists(st.integers(0, 20), min_size=4, max_size=4)),
)
def test_the_surest_of_each_class_are_chosen_as_one_would_by_hand(seed, threshold, most) -> None:
    probabilities = draw(seed)
    among = np.random.default_rng(seed).random(60) < 0.7
    expected = []
    for label in range(4):
        mine = [
            row
            for row in range(60)
            if among[row]
            and probabilities[row].argmax() == label
            and probabilities[row, label] >= threshold
        ]
        mine.sort(key=lambda row: -probabilities[row].max())
        expected += mine[: None if most is None else most[label]]
    chosen = choose_sure(probabilities, threshold=threshold, most=most, among=among)
    assert chosen.tolist() == sorted(expected)


def test_one_bound_holds_for_every_class() -> None:
    probabilities = draw(0)
    chosen = choose_sure(probabilities, most=5)
    counts = np.bincount(probabilities[chosen].argmax(axis=1), minlength=4)
    assert counts.tolist() == [5, 5, 5, 5]
    assert chosen.tolist() == choose_sure(probabilities, most=[5]).tolist()


def test_without_bounds_everything_above_the_threshold_is_chosen() -> None:
    probabilities = draw(1)
    assert choose_sure(probabilities).tolist() == list(range(60))
    sure = np.flatnonzero(probabilities.max(axis=1) >= 0.8)
    assert choose_sure(probabilities, threshold=0.8).tolist() == sure.tolist()
    assert not len(choose_sure(probabilities, threshold=1.1))


@pytest.mark.parametrize("models", [1, 3])
def test_agreement_counts_the_models_of_the_label(models: int) -> None:
    tables = [draw(seed) for seed in range(models)]
    labels = np.mean(tables, axis=0).argmax(axis=1)
    counts = agreeing(tables, labels)
    for row in range(60):
        assert counts[row] == sum(table[row].argmax() == labels[row] for table in tables)
