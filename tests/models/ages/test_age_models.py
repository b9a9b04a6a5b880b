"""What every model of years promises to the heads."""

import pytest
import torch
from mmpretrain.registry import MODELS

from mmmask.errors import InputError
from mmmask.labels import group_probabilities
from mmmask.models.ages import dldl, ordinal, regression  # noqa: F401 (registers them)
from mmmask.models.ages.base import AgeModel, log_groups, rescale_groups

MODELS_OF_YEARS = [
    {"type": "CoralAge"},
    {"type": "CoralAge", "years": (10, 80), "step": 7},
    {"type": "CornAge"},
    {"type": "CornAge", "step": 5},
    {"type": "RegressionAge"},
    {"type": "RegressionAge", "distribution": "normal", "scale": "photo"},
    {"type": "LabelDistributionAge"},
]


@pytest.fixture(params=MODELS_OF_YEARS, ids=lambda config: "-".join(map(str, config.values())))
def model(request) -> AgeModel:
    torch.manual_seed(0)
    return MODELS.build({**request.param, "in_channels": 8})


def shares(ages: list[int]) -> torch.Tensor:
    return torch.stack([torch.eye(121)[age] if age >= 0 else torch.zeros(121) for age in ages])


def feature(photos: int = 6, scale: float = 1.0) -> torch.Tensor:
    return scale * torch.randn(photos, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_years_are_probabilities_within_the_modelled_range(model, dtype) -> None:
    model.to(dtype)
    years = model.years(model(feature().to(dtype)))
    assert years.shape == (6, 121)
    assert years.dtype == dtype
    assert (years >= 0).all()
    torch.testing.assert_close(years.sum(dim=1), torch.ones(6, dtype=dtype))
    assert not years[:, : model.first].any()
    assert not years[:, model.last + 1 :].any()


def test_a_photo_of_unknown_age_does_not_count(model) -> None:
    outputs = model(feature())
    with_unknown = model.loss(outputs, shares([20, -1, 60, 35, -1, 47]))
    torch.testing.assert_close(
        with_unknown, model.loss(outputs[[0, 2, 3, 5]], shares([20, 60, 35, 47]))
    )


def test_a_batch_of_unknown_ages_has_no_loss_and_no_gradient(model) -> None:
    loss = model.loss(model(feature()), shares([-1] * 6))
    loss.backward()
    assert loss == 0
    assert not any(p.grad.any() for p in model.parameters())


def test_photo_weights_count_like_repetitions(model) -> None:
    outputs = model(feature(3))
    weighted = model.loss(outputs, shares([20, 30, 60]), torch.tensor([1.0, 2.0, 0.0]))
    torch.testing.assert_close(weighted, model.loss(outputs[[0, 1, 1]], shares([20, 30, 30])))


def test_of_a_mixed_photo_the_share_of_known_age_counts(model) -> None:
    outputs = model(feature(2))
    mixed = shares([25, 52]) * torch.tensor([[0.25], [1.0]])  # 0.75 of one is of unknown age
    weight = torch.tensor([0.25, 1.0])
    torch.testing.assert_close(
        model.loss(outputs, mixed), model.loss(outputs, shares([25, 52]), weight)
    )


def test_training_on_two_photos_finds_their_ages(model) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    photos, ages = feature(2), [24, 55]
    for _ in range(300):
        optimizer.zero_grad()
        model.loss(model(photos), shares(ages)).backward()
        optimizer.step()
    years = model.years(model(photos)).detach()
    expected = (years * torch.arange(121)).sum(dim=1)
    torch.testing.assert_close(expected, torch.tensor([24.0, 55.0]), atol=3.6, rtol=0)
    assert group_probabilities(years).argmax(dim=1).tolist() == [0, 1]


@pytest.mark.parametrize("scale", [0.0, 1e4])
@pytest.mark.parametrize("age", [0, 18, 60, 90, 120])
def test_gradients_are_finite_at_the_edges(model, scale, age) -> None:
    model.loss(model(feature(scale=scale)), shares([age] * 6)).backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
def test_log_probabilities_of_the_groups_and_their_gradients_are_finite(model, scale) -> None:
    groups = log_groups(model, model(feature(scale=scale)))
    groups.sum().backward()
    assert groups.isfinite().all()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_under_bfloat16_the_outputs_are_float32_and_near(model) -> None:
    ages = shares([20, 31, 60, 35, 59, 47])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = model(feature())
        loss = model.loss(outputs, ages)
    assert outputs.dtype == loss.dtype == model.years(outputs).dtype == torch.float32
    torch.testing.assert_close(loss, model.loss(model(feature()), ages), rtol=0.05, atol=0.05)
    torch.testing.assert_close(loss, model.loss(outputs, ages))  # the loss itself loses nothing


def test_under_bfloat16_the_gradients_are_finite_and_near(model) -> None:
    ages = shares([20, 31, 60, 35, 59, 47])
    model.loss(model(feature()), ages).backward()
    expected = [parameter.grad for parameter in model.parameters()]
    model.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model.loss(model(feature()), ages)
    loss.backward()
    for parameter, exact in zip(model.parameters(), expected, strict=True):
        assert parameter.grad.isfinite().all()
        assert (parameter.grad - exact).norm() <= 0.05 * exact.norm()


def test_another_share_for_each_group_keeps_the_proportions_within(model) -> None:
    years = model.years(model(feature()))
    wanted = torch.tensor([[0.2, 0.3, 0.5]]).expand(6, 3)
    scaled = rescale_groups(years, group_probabilities(years), wanted)
    torch.testing.assert_close(group_probabilities(scaled), wanted)
    torch.testing.assert_close(scaled[:, 40] * years[:, 50], scaled[:, 50] * years[:, 40])


def test_a_group_without_probability_gets_it_in_the_year_nearest_to_the_mean() -> None:
    years = torch.zeros(2, 121)
    years[0, 24:27] = 1 / 3  # mean 25: of 60 and over, 60 is nearest
    years[1, 70] = 1.0  # of the young 29, of the middle 59
    wanted = torch.tensor([[0.7, 0.2, 0.1]] * 2)
    scaled = rescale_groups(years, group_probabilities(years), wanted)
    torch.testing.assert_close(group_probabilities(scaled), wanted)
    assert scaled[0, 30] == wanted[0, 1]
    assert scaled[0, 60] == wanted[0, 2]
    assert scaled[1, 29] == wanted[1, 0]
    assert scaled[1, 59] == wanted[1, 1]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"type": "CoralAge", "years": (60, 18)}, r"years must be \(first, last\) from 0 to 120"),
        ({"type": "CornAge", "step": 0}, "step must be from 1 to 42 years; got 0"),
        ({"type": "CoralAge", "spread": 0}, "spread must be above 0 years; got 0"),
        ({"type": "RegressionAge", "distribution": "cauchy"}, "laplace, normal; got 'cauchy'"),
        ({"type": "RegressionAge", "scale": "none"}, "scale must be one of shared, photo"),
        ({"type": "RegressionAge", "spread": 0.5}, "spread must be above 0.5 years"),
        ({"type": "LabelDistributionAge", "sigma": 0}, "sigma must be above 0 years; got 0"),
    ],
)
def test_options_that_mean_nothing_are_refused_by_name(options, sentence) -> None:
    with pytest.raises(InputError, match=sentence):
        MODELS.build({**options, "in_channels": 8})
