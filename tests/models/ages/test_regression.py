import numpy as np
import pytest
import torch
from scipy import stats
from torch.nn import functional

from mmmask.models.ages.regression import (
    DISTRIBUTIONS,
    RegressionAge,
    regression_losses,
    whole_years,
)

REFERENCE = {"laplace": stats.laplace, "normal": stats.norm}
LOCATION = torch.tensor([[40.3], [17.0], [61.5]])
SCALE = torch.tensor([[5.0], [0.7], [9.0]])
AGES = torch.tensor([44, 20, 60])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_the_loss_is_scipys_negative_log_density(name, dtype) -> None:
    shares = functional.one_hot(AGES, 121).to(dtype)
    ours = regression_losses(LOCATION.to(dtype), SCALE.to(dtype), shares, DISTRIBUTIONS[name][0])
    location, scale = LOCATION.numpy().ravel(), SCALE.numpy().ravel()
    expected = -REFERENCE[name].logpdf(AGES.numpy(), location, scale)
    np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_the_years_are_scipys_probabilities_between_half_years(name) -> None:
    years = whole_years(LOCATION, SCALE, DISTRIBUTIONS[name][1], (10, 90)).numpy()
    location, scale = LOCATION.numpy(), SCALE.numpy()
    cdf = REFERENCE[name](location, scale).cdf
    for age in range(11, 90):
        expected = cdf(age + 0.5) - cdf(age - 0.5)
        np.testing.assert_allclose(years[:, [age - 10]], expected, atol=1e-6)
    np.testing.assert_allclose(years[:, [0]], cdf(10.5), atol=1e-6)
    np.testing.assert_allclose(years[:, [-1]], 1 - cdf(89.5), atol=1e-6)


def test_a_shared_scale_fits_the_mean_distance() -> None:
    model = RegressionAge(1)
    model.fc.weight.requires_grad_(False).zero_()
    ages = torch.tensor([30, 38, 40, 41, 61])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(2000):
        optimizer.zero_grad()
        outputs = model(torch.zeros(5, 1))
        model.loss(outputs, functional.one_hot(ages, 121)).backward()
        optimizer.step()
    location, scale = model.location_and_scale(outputs)
    # The likeliest Laplace distribution has the median and the mean distance from it.
    assert location[0].item() == pytest.approx(40, abs=0.3)
    assert scale[0].item() == pytest.approx((ages - 40).abs().float().mean().item(), abs=0.2)


def test_each_photo_may_have_its_own_scale() -> None:
    feature = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    shared, own = RegressionAge(3), RegressionAge(3, scale="photo")
    scales = [model.location_and_scale(model(feature))[1] for model in (shared, own)]
    torch.testing.assert_close(scales[0], torch.full((4, 1), 10.0))
    assert len(set(scales[1].detach().flatten().tolist())) == 4
