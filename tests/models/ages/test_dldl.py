import math

import pytest
import torch
from torch.nn import functional

from mmmask.models.ages.dldl import LabelDistributionAge, divergences, gaussian_labels


def test_soft_labels_are_the_papers_gaussians_normalised_over_the_years() -> None:
    labels = gaussian_labels((10, 90), 3.0)
    for age in (10, 35, 60, 90):
        row = [math.exp(-((year - age) ** 2) / (2 * 3.0**2)) for year in range(10, 91)]
        expected = torch.tensor([value / sum(row) for value in row])
        torch.testing.assert_close(labels[age], expected)
    torch.testing.assert_close(labels[3], labels[10])
    torch.testing.assert_close(labels[120], labels[90])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_loss_is_torchs_divergence(dtype) -> None:
    torch.manual_seed(0)
    logits = torch.randn(4, 81, dtype=dtype)
    target = gaussian_labels((10, 90), 2.0)[[20, 30, 59, 60]].to(dtype)
    expected = functional.kl_div(logits.log_softmax(1), target, reduction="none").sum(dim=1)
    torch.testing.assert_close(divergences(logits, target), expected)


def test_the_loss_is_zero_where_the_prediction_is_the_label() -> None:
    target = gaussian_labels((10, 90), 3.0)[[20, 60]]
    log_target = target.clamp_min(1e-30).log()
    losses = divergences(log_target, target)
    torch.testing.assert_close(losses, torch.zeros(2), atol=1e-6, rtol=0)
    torch.testing.assert_close(divergences(log_target, 0.4 * target), losses, atol=1e-6, rtol=0)


def test_a_narrow_label_is_the_cross_entropy_of_the_year() -> None:
    model = LabelDistributionAge(2, sigma=0.01)
    outputs = model(torch.randn(5, 2, generator=torch.Generator().manual_seed(0)))
    ages = torch.tensor([18, 25, 30, 59, 60])
    expected = functional.cross_entropy(outputs, ages - 10)
    torch.testing.assert_close(model.loss(outputs, functional.one_hot(ages, 121)), expected)


def test_half_of_the_label_of_somebody_of_60_is_above_60() -> None:
    labels = gaussian_labels((10, 90), 3.0)
    assert 0.5 < labels[60][50:].sum() < 0.6  # the years from 60
    assert 0.4 < labels[59][50:].sum() < 0.5
