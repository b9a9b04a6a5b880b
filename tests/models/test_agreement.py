"""The divergence of a person's photos from their mean, and the option of the head."""

import math

import pytest
import torch
from torch import Tensor

import mmmask.register  # noqa: F401 - the models of age
from mmmask.errors import InputError
from mmmask.models.heads.decomposed import DecomposedHead
from mmmask.models.losses.agreement import divergences_from_mean
from mmmask.structures import SampleBatch

PEOPLE = torch.tensor([3, 5, 3, -1, 3, 5, -1, 8])


def distributions(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return (2 * torch.randn(*shape, generator=generator, dtype=torch.float64)).softmax(dim=1)


def entropy(p: Tensor) -> Tensor:
    return -(p * p.log()).sum(dim=-1)


def test_two_photos_of_one_person_by_hand() -> None:
    told = torch.tensor([[0.9, 0.1], [0.3, 0.7]], dtype=torch.float64)  # their mean: 0.6, 0.4
    expected = [
        0.9 * math.log(0.9 / 0.6) + 0.1 * math.log(0.1 / 0.4),
        0.3 * math.log(0.3 / 0.6) + 0.7 * math.log(0.7 / 0.4),
    ]
    found = divergences_from_mean(told, torch.tensor([4, 4]))
    assert found.tolist() == pytest.approx(expected, rel=1e-12)


def test_their_mean_over_a_person_is_the_generalised_jensen_shannon_divergence() -> None:
    told, weight = distributions(8, 5), torch.arange(1.0, 9.0, dtype=torch.float64)
    found = divergences_from_mean(told, PEOPLE, weight)
    for person in (3, 5):
        rows = person == PEOPLE
        shares = weight[rows] / weight[rows].sum()
        expected = entropy(shares @ told[rows]) - shares @ entropy(told[rows])
        torch.testing.assert_close(shares @ found[rows], expected)


def test_the_gradient_is_that_of_the_whole_divergence_its_mean_included() -> None:
    logits = distributions(8, 5).log().requires_grad_()
    told = logits.softmax(dim=1)
    ours = torch.autograd.grad(divergences_from_mean(told, PEOPLE).sum(), logits)[0]
    told = logits.softmax(dim=1)
    whole = sum(
        (person == PEOPLE).sum() * entropy(told[person == PEOPLE].mean(dim=0))
        - entropy(told[person == PEOPLE]).sum()
        for person in (3, 5)
    )
    torch.testing.assert_close(ours, torch.autograd.grad(whole, logits)[0])
    assert ours.abs().max() > 0.1


def test_photos_alone_or_of_unknown_people_have_exactly_nothing() -> None:
    told = distributions(8, 5).float()
    found = divergences_from_mean(told, PEOPLE, torch.rand(8))
    assert found[[3, 6, 7]].tolist() == [0, 0, 0]
    assert (found[[0, 1, 2, 4, 5]] > 0).all()
    assert divergences_from_mean(told, torch.arange(8)).tolist() == [0] * 8


def test_photos_that_are_sure_of_opposites_differ_by_a_finite_number() -> None:
    logits = torch.tensor([[300.0, -300.0], [-300.0, 300.0]], requires_grad=True)
    found = divergences_from_mean(logits.softmax(dim=1), torch.tensor([0, 0]))
    assert found.tolist() == pytest.approx([math.log(2)] * 2)
    assert torch.autograd.grad(found.sum(), logits)[0].isfinite().all()


def test_its_gradient_pulls_the_photos_of_a_person_together_and_leaves_others() -> None:
    logits = distributions(8, 5).log().requires_grad_()
    before = logits.detach().softmax(dim=1)
    for _ in range(300):
        loss = divergences_from_mean(logits.softmax(dim=1), PEOPLE).sum()
        (gradient,) = torch.autograd.grad(loss, logits)
        logits = (logits - 0.5 * gradient).detach().requires_grad_()
    after = logits.detach().softmax(dim=1)
    for person in (3, 5):
        rows = person == PEOPLE
        spread = [(told[rows] - told[rows].mean(dim=0)).abs().max() for told in (before, after)]
        assert spread[1] < 0.01 < 0.1 < spread[0]
    assert torch.equal(after[[3, 6, 7]], before[[3, 6, 7]])


AGES = {
    "groups": {},
    "years": {"age": {"type": "LabelDistributionAge"}},
    "coral": {"age": {"type": "CoralAge"}},
    "corn": {"age": {"type": "CornAge"}},
    "regression": {"age": {"type": "RegressionAge"}},
    "both": {"age": {"type": "RegressionAge"}, "age_groups": True},
}


def batch() -> tuple[Tensor, SampleBatch]:
    samples = SampleBatch()
    samples.gt_label = torch.arange(8)
    samples.age = torch.tensor([20, 30, 40, 50, 60, 20, 30, 40])
    samples.person = PEOPLE
    return torch.randn(8, 6, generator=torch.Generator().manual_seed(1)), samples


def head_of(kind: str, agreement: float) -> DecomposedHead:
    torch.manual_seed(0)
    return DecomposedHead(6, **AGES[kind], agreement=agreement)


@pytest.mark.parametrize("kind", AGES)
def test_gender_and_what_models_age_must_agree_and_the_mask_need_not(kind: str) -> None:
    feature, samples = batch()
    head = head_of(kind, agreement=0.5)
    losses = head.loss((feature,), samples)
    told = [
        head.classifiers[name](feature).softmax(1) for name in head.classifiers if name != "mask"
    ]
    if head.age_model is not None:
        told.append(head.age_model.years(head.age_model(feature)))
    expected = sum(divergences_from_mean(one, PEOPLE) for one in told).sum() / 8
    torch.testing.assert_close(losses["loss_agreement"], 0.5 * expected)
    losses["loss_agreement"].backward()
    moved = {name for name, one in head.named_parameters() if one.grad is not None}
    assert not any(name.startswith("classifiers.mask") for name in moved)
    assert "classifiers.gender.weight" in moved
    assert all(one.grad.isfinite().all() for one in head.parameters() if one.grad is not None)


@pytest.mark.parametrize("kind", AGES)
def test_the_other_losses_stay_as_they_are(kind: str) -> None:
    feature, samples = batch()
    plain, agreeing = (head_of(kind, one).loss((feature,), samples) for one in (0.0, 0.5))
    assert {*agreeing} == {*plain, "loss_agreement"}
    assert all(torch.equal(agreeing[name], plain[name]) for name in plain)


def test_where_each_person_has_one_photo_the_loss_is_exactly_0() -> None:
    feature, samples = batch()
    samples.person = torch.arange(8)
    assert head_of("years", 3.0).loss((feature,), samples)["loss_agreement"] == 0


def test_a_photo_of_weight_0_pulls_no_other() -> None:
    feature, samples = batch()
    samples.weight = torch.tensor([1.0, 1, 1, 1, 0, 1, 1, 1])
    found = head_of("groups", 1.0).loss((feature,), samples)["loss_agreement"]
    feature[4] += 5
    again = head_of("groups", 1.0).loss((feature,), samples)["loss_agreement"]
    torch.testing.assert_close(found, again)


def test_photos_that_cannot_be_compared_are_refused() -> None:
    feature, samples = batch()
    samples.pop("person")
    with pytest.raises(InputError, match=r"head\.agreement needs photos of one person.*got none"):
        head_of("groups", 1.0).loss((feature,), samples)


def test_photos_with_soft_labels_of_a_teacher_agree_too() -> None:
    feature, samples = batch()
    expected = head_of("groups", 1.0).loss((feature,), samples)["loss_agreement"]
    samples.gt_score = torch.full((8, 18), 1 / 18)
    found = head_of("groups", 1.0).loss((feature,), samples)["loss_agreement"]
    torch.testing.assert_close(found, expected)
