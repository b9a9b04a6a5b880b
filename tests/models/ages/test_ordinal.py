"""CORAL and CORN against coral-pytorch, the papers' own code."""

import pytest
import torch
from coral_pytorch.dataset import corn_label_from_logits, levels_from_labelbatch
from coral_pytorch.losses import coral_loss, corn_loss
from torch.nn import functional

from mmmask.models.ages.ordinal import (
    CoralAge,
    CornAge,
    bin_probabilities,
    binary_losses,
    conditional_start,
    logistic_start,
    reached,
)

AGES = torch.tensor([18, 19, 25, 40, 59, 60, 60, 33])


def shares(ages: torch.Tensor, dtype=torch.float32) -> torch.Tensor:
    return functional.one_hot(ages, 121).to(dtype)


@pytest.fixture
def feature() -> torch.Tensor:
    return torch.randn(8, 5, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_coral_equals_the_papers_code(feature, dtype) -> None:
    model = CoralAge(5).to(dtype)
    logits = model(feature.to(dtype))
    levels = levels_from_labelbatch(AGES - 18, num_classes=43, dtype=dtype)
    torch.testing.assert_close(
        model.loss(logits, shares(AGES, dtype)), coral_loss(logits, levels), check_dtype=False
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_corn_equals_the_papers_code(feature, dtype) -> None:
    model = CornAge(5).to(dtype)
    logits = model(feature.to(dtype))
    expected = corn_loss(logits, AGES - 18, num_classes=43)
    torch.testing.assert_close(model.loss(logits, shares(AGES, dtype)), expected, check_dtype=False)


def test_corn_in_bins_equals_the_papers_code_on_the_bins(feature) -> None:
    model = CornAge(5, years=(20, 59), step=10)
    ages = torch.tensor([20, 29, 30, 39, 40, 58, 59, 45])
    logits = model(feature)
    assert logits.shape == (8, 3)
    expected = corn_loss(logits, (ages - 20) // 10, num_classes=4)
    torch.testing.assert_close(model.loss(logits, shares(ages)), expected)


def test_corn_predicts_the_age_that_the_papers_code_does(feature) -> None:
    model = CornAge(5)
    logits = 3 * model(feature)
    reached_with = model.years(logits).flip(1).cumsum(1).flip(1)
    ours = (reached_with[:, 19:61] > 0.5).sum(dim=1)
    assert ours.tolist() == corn_label_from_logits(logits).tolist()


def test_coral_is_consistent_while_its_biases_fall(feature) -> None:
    model = CoralAge(5)
    assert (model.exceedance(model(feature)).diff(dim=1) <= 0).all()


def test_corn_is_consistent_whatever_its_weights(feature) -> None:
    model = CornAge(5)
    torch.nn.init.normal_(model.bias, std=5)
    assert (model.exceedance(model(feature)).diff(dim=1) <= 0).all()


def test_out_of_order_exceedances_leave_no_bin_negative() -> None:
    bins = bin_probabilities(torch.tensor([[0.9, 0.5, 0.7, 0.2]]))
    torch.testing.assert_close(bins, torch.tensor([[0.1, 0.4, 0.0, 0.3, 0.2]]))


def test_a_bin_spreads_evenly_over_its_years(feature) -> None:
    model = CoralAge(5, years=(18, 60), step=10)  # the last bin is 58, 59, 60
    years, exceedance = (f(model(feature)) for f in (model.years, model.exceedance))
    assert model.thresholds.tolist() == [28, 38, 48, 58]
    torch.testing.assert_close(years[:, 58], exceedance[:, -1] / 3)
    torch.testing.assert_close(years[:, 30], (exceedance[:, 0] - exceedance[:, 1]) / 10)


def test_ages_outside_the_range_count_as_its_ends() -> None:
    outside, ends = shares(torch.tensor([3, 88])), shares(torch.tensor([18, 60]))
    thresholds = CoralAge(5).thresholds
    torch.testing.assert_close(reached(outside, thresholds), reached(ends, thresholds))


@pytest.mark.parametrize("kind", [CoralAge, CornAge])
def test_both_start_from_a_logistic_distribution_of_ages(kind) -> None:
    model = kind(5, years=(0, 120), center=40, spread=6)
    years = model.years(model(torch.zeros(1, 5)))[0]
    edges = torch.arange(120) + 0.5
    below = torch.sigmoid((edges - 40) / 6)
    torch.testing.assert_close(years[1:-1], below.diff(), atol=1e-5, rtol=1e-3)


def test_conditional_logits_multiply_to_the_marginal_ones() -> None:
    marginal = logistic_start(torch.arange(19, 61), 40.0, 8.0)
    product = torch.sigmoid(conditional_start(marginal)).cumprod(0)
    torch.testing.assert_close(product, torch.sigmoid(marginal))


def test_a_mixed_photo_has_the_mixed_loss_of_its_parts(feature) -> None:
    levels = reached(shares(AGES), CoralAge(5).thresholds)
    logits = CoralAge(5)(feature)
    known = torch.ones(8, 1)
    mixed = binary_losses(logits, 0.25 * levels + 0.75 * levels.flip(0), known)
    parts = binary_losses(logits, levels, known), binary_losses(logits, levels.flip(0), known)
    torch.testing.assert_close(mixed, 0.25 * parts[0] + 0.75 * parts[1])
