"""Models of years learn from ranges of ages."""

import math

import pytest
import torch
from torch.nn import functional

from mmmask.models.ages.base import AgeModel
from mmmask.models.ages.dldl import LabelDistributionAge
from mmmask.models.ages.ordinal import CoralAge, CornAge
from mmmask.models.ages.regression import (
    RegressionAge,
    laplace_cdf,
    laplace_log_cdf,
    log_probability_between,
    normal_log_cdf,
)

RANGES = [(20, 29), (0, 19), (60, 120), (55, 61), (18, 20)]
MODELS = {
    "dldl": (LabelDistributionAge, {}),
    "coral": (CoralAge, {}),
    "coral by 5 years": (CoralAge, {"step": 5}),
    "corn": (CornAge, {}),
    "corn by 5 years": (CornAge, {"step": 5}),
    "laplace": (RegressionAge, {}),
    "normal, a scale for each photo": (
        RegressionAge,
        {"distribution": "normal", "scale": "photo"},
    ),
}


def made(name):
    torch.manual_seed(0)
    kind, options = MODELS[name]
    model = kind(4, **options).double()
    return model, model(torch.randn(len(RANGES), 4).double())


def none(photos):
    return torch.zeros(photos, 121)


def spans_of(*ranges):
    return torch.tensor(ranges)


def loss_and_gradient(model, outputs, *args):
    value = model.loss(outputs, *args)
    return value, torch.autograd.grad(value, outputs, retain_graph=True)[0]


@pytest.mark.parametrize("name", [name for name in MODELS if "coral" not in name])
def test_the_loss_of_a_range_is_minus_log_of_its_probability(name) -> None:
    model, outputs = made(name)
    years = model.years(outputs)
    rows = {  # the bins of a model by years of 5 reach beyond the range
        "corn by 5 years": [(18, 32), (18, 22), (58, 60), (53, 60), (18, 22)],
    }.get(name, [(max(first, model.first), min(last, model.last)) for first, last in RANGES])
    expected = -torch.stack(
        [years[row, first : last + 1].sum() for row, (first, last) in enumerate(rows)]
    ).log()
    losses, counts = model.range_losses(outputs, *spans_of(*RANGES).unbind(1))
    if "step" not in MODELS[name][1]:
        torch.testing.assert_close(losses, expected)
    if not isinstance(model, CornAge):
        assert (counts == 1).all()
    torch.testing.assert_close(
        torch.autograd.grad(losses.sum(), outputs, retain_graph=True)[0],
        torch.autograd.grad(expected.sum(), outputs, retain_graph=True)[0],
    )


def test_coral_asks_what_the_range_answers() -> None:
    model, outputs = made("coral")
    losses, asked = model.range_losses(outputs, *spans_of(*RANGES).unbind(1))
    for row, (first, last) in enumerate(RANGES):
        expected = 0.0
        for t, z in zip(model.thresholds.tolist(), outputs[row], strict=True):
            if first >= t:
                expected = expected - functional.logsigmoid(z)
            elif last < t:
                expected = expected - functional.logsigmoid(-z)
        torch.testing.assert_close(losses[row], expected)
    assert asked.tolist() == [1, 1, 1, 1, 1]
    _, asked = model.range_losses(outputs[:2], *spans_of((10, 70), (18, 60)).unbind(1))
    assert asked.tolist() == [0, 0]


def test_corn_counts_the_questions_up_to_the_range_and_the_one_that_ends_it() -> None:
    model, outputs = made("corn")
    _, asked = model.range_losses(outputs, *spans_of(*RANGES).unbind(1))
    assert asked.tolist() == [3, 1, 42, 37, 1]  # of the thresholds 19 to 60


@pytest.mark.parametrize("name", MODELS)
def test_a_range_beside_years_and_unknown_ages_counts_by_its_own(name) -> None:
    model, outputs = made(name)
    ages = none(5)
    ages[1, 40] = 1
    spans = spans_of((20, 29), (40, 40), (0, 120), (30, 59), (0, 120))
    weight = torch.tensor([1.0, 2.0, 3.0, 0.5, 4.0]).double()
    value, gradient = loss_and_gradient(model, outputs, ages, weight, spans)
    exact, counted = model.sample_losses(outputs, ages.double())
    ranged, asked = model.range_losses(outputs, *spans.unbind(1))
    total = 2 * exact[1] + ranged[0] + 0.5 * ranged[3]
    torch.testing.assert_close(value, total / (2 * counted[1] + asked[0] + 0.5 * asked[3]))
    assert (gradient[[2, 4]] == 0).all()
    assert (gradient[[0, 1, 3]] != 0).any(dim=1).all()


@pytest.mark.parametrize("name", MODELS)
def test_without_any_known_age_the_loss_is_zero(name) -> None:
    model, outputs = made(name)
    value, gradient = loss_and_gradient(model, outputs, none(5), None, spans_of(*[(0, 120)] * 5))
    assert value == 0
    assert (gradient == 0).all()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("size", [1e2, 1e4])
def test_far_from_the_range_losses_and_gradients_are_finite(name, size) -> None:
    model, outputs = made(name)
    for sign in (size, -size):
        far = (sign * outputs.detach().float().sign()).requires_grad_()
        value, gradient = loss_and_gradient(model.float(), far, none(5), None, spans_of(*RANGES))
        assert value.isfinite()
        assert gradient.isfinite().all()


def test_the_probability_between_two_points_is_exact_in_both_tails() -> None:
    for at in (5.0, 30.0, 300.0):
        low, high = torch.tensor([at, -at - 1]), torch.tensor([at + 1, -at])
        expected = (
            torch.full((2,), -at).double() + torch.tensor(0.5 * (1 - 2.718281828459**-1)).log()
        )
        found = log_probability_between(low, high, laplace_log_cdf)
        torch.testing.assert_close(found, expected.float(), rtol=1e-6, atol=0)
    z = torch.linspace(-20, 20, 81).double()
    torch.testing.assert_close(laplace_log_cdf(z).exp(), laplace_cdf(z))


def test_the_logarithm_of_the_normal_distribution_has_its_slope_however_far_out() -> None:
    z = torch.tensor([-1e5, -1e4, -100, -5, -1, 0, 3], requires_grad=True)
    torch.testing.assert_close(normal_log_cdf(z[2:]), torch.special.log_ndtr(z[2:]))
    (slope,) = torch.autograd.grad(normal_log_cdf(z).sum(), z)
    with torch.no_grad():  # density over distribution: about -z far out
        ratio = (-z[3:].square() / 2 - torch.special.log_ndtr(z[3:])).exp() / (2 * math.pi) ** 0.5
    torch.testing.assert_close(slope[3:], ratio)
    torch.testing.assert_close(slope[:3], -z[:3].detach(), rtol=1e-3, atol=0)


class TenYears(AgeModel):
    """Says nothing of ranges."""

    def years(self, outputs):
        return self.on_all_years(outputs.softmax(dim=1))


def test_a_model_of_ones_own_learns_the_probability_of_the_range() -> None:
    model = TenYears(4, start=torch.zeros(10), scores=10, years=(20, 29))
    outputs = torch.randn(3, 10)
    losses, counts = model.range_losses(outputs, *spans_of((22, 24), (0, 20), (29, 80)).unbind(1))
    p = outputs.softmax(1)
    torch.testing.assert_close(
        losses, -torch.stack([p[0, 2:5].sum(), p[1, 0], p[2, 9]]).log(), rtol=1e-5, atol=1e-6
    )
    assert (counts == 1).all()
