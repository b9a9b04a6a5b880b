import numpy as np
import pytest

from mmmask.evaluation.intervals import share_interval
from mmmask.evaluation.mistakes import confused_pairs, surest_wrong

UNITS = np.array(["a", "a", "a", "b", "b", "c", "c", "c"])
TRUTH = np.array([0, 0, 1, 0, 1, 0, 1, 1])
TOLD = np.array([2, 2, 1, 2, 0, 0, 0, 1])


def test_pairs_count_photos_and_people_and_are_shares_of_the_true_class():
    pairs = confused_pairs(UNITS, TRUTH, TOLD)
    assert pairs[["truth", "predicted", "photos", "units"]].to_numpy().tolist() == [
        [0, 2, 3, 2],
        [1, 0, 2, 2],
    ]
    first, second = pairs["share"]
    assert (first.value, second.value) == (3 / 4, 2 / 4)
    of_true = TRUTH == 0
    assert first == share_interval(UNITS[of_true], TOLD[of_true] == 2)
    assert first.low < 0.75 < first.high


def test_right_answers_alone_make_no_pair():
    assert confused_pairs(UNITS, TRUTH, TRUTH).empty


def test_the_interval_of_no_hit_at_all_is_open_above():
    found = share_interval(UNITS, np.zeros(8, dtype=bool))
    assert (found.value, found.low) == (0, 0)
    assert found.high == pytest.approx(1 - 0.025 ** (1 / 4))  # three people


@pytest.mark.parametrize(("most", "rows"), [(5, [4, 1, 6]), (2, [4, 1]), (0, [])])
def test_the_surest_wrong_answer_of_each_person_comes_first(most, rows):
    sure = np.array([0.6, 0.7, 0.99, 0.3, 0.9, 0.99, 0.5, 0.99])
    assert surest_wrong(UNITS, TRUTH != TOLD, sure, most).tolist() == rows
