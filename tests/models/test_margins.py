import math

import pytest
import torch

from mmmask.errors import InputError
from mmmask.models.margins import adaptive_margins, check_margin_range, initial_margins


def test_adaptive_margins_equal_the_papers_formula_scaled_to_the_rarest_class():
    counts = [25, 100, 400]
    a, b = (0.5 - 0.05) * 25**0.25, 0.05
    expected = torch.tensor([a * n**-0.25 + b for n in counts], dtype=torch.float64)
    torch.testing.assert_close(adaptive_margins(torch.tensor(counts).double()), expected)


def test_a_rarer_class_has_the_larger_margin_within_the_range():
    counts = torch.tensor([1, 10, 1000, 10**9]).double()
    margins = adaptive_margins(counts, low=0.1, high=0.6)
    assert (margins.diff() < 0).all()
    assert margins[0] == pytest.approx(0.6)
    assert margins[-1] == pytest.approx(0.1, abs=0.005)


def test_balanced_classes_all_have_the_high_margin():
    assert adaptive_margins(torch.full((18,), 77.0), high=0.5).tolist() == [0.5] * 18


def test_one_photo_more_hardly_moves_a_margin():
    counts = torch.full((18,), 100.0)
    counts[3] = 101
    assert adaptive_margins(counts).diff().abs().max() < 0.002


def test_an_absent_class_has_the_margin_of_the_rarest():
    margins = adaptive_margins(torch.tensor([0.0, 10.0, 30.0]))
    assert margins[0] == margins[1] > margins[2]


def test_one_number_is_the_margin_of_every_class():
    assert initial_margins(0.5, 3).tolist() == [0.5] * 3


@pytest.mark.parametrize("margin", [28.6, -0.1, [0.5, 0.5], [0.5, 0.5, 2.0], math.nan, "large"])
def test_margins_that_are_no_radians_of_each_class_are_refused(margin):
    with pytest.raises(InputError, match=r"margin must be 'adaptive', or radians from 0 to 1.57"):
        initial_margins(margin, 3)


@pytest.mark.parametrize("margin_range", [(0.5, 0.05), (0.0, 28.6), (0.1, 0.2, 0.3)])
def test_a_range_of_margins_that_is_none_is_refused(margin_range):
    with pytest.raises(InputError, match="margin_range must be two rising radians"):
        check_margin_range(margin_range, 0.25)


def test_a_negative_power_of_margins_is_refused():
    with pytest.raises(InputError, match="margin_power must be finite and at least 0; got -1"):
        check_margin_range((0.05, 0.5), -1)
