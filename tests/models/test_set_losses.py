"""Losses of labels that are partly known, against the definition written out photo by photo."""

import pytest
import torch
from torch.nn import functional

import mmmask.register  # noqa: F401 - registers them
from mmmask.errors import InputError
from mmmask.models.heads.arcface import arcface_logits, cosine_with_margin
from mmmask.models.losses.base import ClassWeightedLoss
from mmmask.models.losses.build import build_loss
from mmmask.models.margins import adaptive_margins, lower_by_margin

COUNTS = torch.arange(1.0, 6.0).double()
OPTIONS = {"num_classes": 5, "class_weight": "inverse", "label_smoothing": 0.1}
FITS = torch.tensor(
    [
        [1, 1, 0, 0, 0],
        [0, 0, 0, 0, 1],
        [1, 0, 1, 1, 0],
        [1, 1, 1, 1, 1],
        [0, 1, 1, 1, 1],
    ]
).bool()
WEIGHT = torch.tensor([1.0, 0.5, 2.0, 3.0, 1.5]).double()


def logits_of(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.randn(5, 5, generator=generator)).double().requires_grad_()


def loss_of(kind, **options):
    loss = build_loss({"type": kind, **OPTIONS, **options}, num_classes=5).double()
    loss.set_class_counts(COUNTS)
    return loss


def cross_entropy(p):
    return -p.log()


def focal(p):
    return -((1 - p) ** 2) * p.log()


def by_hand(loss, logits, one, *, own_logits=None, extra=None):
    """The mean of the definition; ``one`` is the loss of an event of probability p."""
    total, norm = 0.0, 0.0
    for row in range(len(FITS)):
        chosen = FITS[row].nonzero().flatten().tolist()
        if len(chosen) == 5:
            continue
        raw = logits[row].softmax(0)
        given = [raw[c].item() / sum(raw[k].item() for k in chosen) for c in chosen]
        w = sum(q * loss.class_weight[c].item() for q, c in zip(given, chosen, strict=True))
        p = (logits if own_logits is None else own_logits)[row].softmax(0)
        event = sum(p[c] for c in chosen)
        add = 0 if extra is None else extra(event)
        own = 0.9 * w * (one(event) + add)
        spread = sum(loss.class_weight[c] * (one(p[c]) + add) for c in range(5)) * 0.1 / 5
        total = total + WEIGHT[row] * (own + spread)
        norm = norm + WEIGHT[row].item() * w
    return total / norm


def check(loss, logits, expected):
    value = loss(logits, FITS, WEIGHT)
    torch.testing.assert_close(value, expected)
    gradients = [
        torch.autograd.grad(one, logits, retain_graph=True)[0] for one in (value, expected)
    ]
    torch.testing.assert_close(*gradients)
    assert (gradients[0][3] == 0).all()


def test_cross_entropy_is_minus_log_of_the_sum() -> None:
    logits, loss = logits_of(), loss_of("WeightedCrossEntropyLoss")
    check(loss, logits, by_hand(loss, logits, cross_entropy))


def test_the_focal_factor_is_that_of_the_sum() -> None:
    logits, loss = logits_of(), loss_of("SoftmaxFocalLoss", gamma=2.0)
    check(loss, logits, by_hand(loss, logits, focal))


def test_symmetric_cross_entropy_takes_the_set_as_one_class() -> None:
    logits, loss = logits_of(), loss_of("SymmetricCrossEntropyLoss", alpha=0.3, beta=0.7)
    right, wrong = torch.tensor(0.92).log(), torch.tensor(0.02).log()

    def reverse(p):
        return -0.7 * (p * right + (1 - p) * wrong)

    check(loss, logits, by_hand(loss, logits, lambda p: -0.3 * p.log(), extra=reverse))


def test_ldam_lowers_each_class_of_the_set_by_its_own_margin() -> None:
    logits, loss = logits_of(), loss_of("LDAMLoss")
    lowered = logits - FITS * adaptive_margins(COUNTS, low=0.0, high=0.5)
    check(loss, logits, by_hand(loss, logits, cross_entropy, own_logits=lowered))


def test_f1_counts_a_photo_by_the_probabilities_of_its_classes() -> None:
    logits, loss = logits_of(), build_loss({"type": "SoftMacroF1Loss"}, num_classes=5)
    p = logits.softmax(1)
    q = (p * FITS / (p * FITS).sum(1, keepdim=True)).detach()
    known = torch.tensor([0, 1, 2, 4])
    expected = loss(logits[known], q[known], WEIGHT[known])
    check(loss, logits, expected)


def test_over_samples_a_photo_without_knowledge_is_not_counted() -> None:
    logits = logits_of()
    loss = build_loss({"type": "WeightedCrossEntropyLoss", "denominator": "samples"}, num_classes=5)
    known = [0, 1, 2, 4]
    p = (logits.softmax(1) * FITS).sum(1)[known]
    torch.testing.assert_close(loss(logits, FITS), -p.log().mean())


KINDS = {
    "WeightedCrossEntropyLoss": {"class_weight": "inverse", "label_smoothing": 0.1},
    "SoftmaxFocalLoss": {"class_weight": "effective_number", "gamma": 0.5},
    "SymmetricCrossEntropyLoss": {"class_weight": "inverse", "label_smoothing": 0.1},
    "LDAMLoss": {"class_weight": "inverse"},
    "SoftMacroF1Loss": {},
    "LossMix": {
        "losses": {"f1": {"type": "SoftMacroF1Loss"}, "focal": {"type": "SoftmaxFocalLoss"}},
        "loss_weights": {"f1": 0.4, "focal": 0.6},
    },
}


def built(kind):
    loss = build_loss({"type": kind, **KINDS[kind]}, num_classes=5)
    if hasattr(loss, "set_class_counts"):
        loss.set_class_counts(COUNTS)
    return loss


@pytest.mark.parametrize("kind", KINDS)
def test_sets_of_one_class_have_the_loss_and_gradient_of_labels(kind) -> None:
    logits, loss = logits_of().detach().float().requires_grad_(), built(kind)
    label = torch.tensor([4, 0, 2, 2, 1])
    one_hot = functional.one_hot(label, 5).bool()
    results = [loss(logits, target, WEIGHT.float()) for target in (label, one_hot)]
    torch.testing.assert_close(results[1], results[0], rtol=1e-6, atol=1e-7)
    gradients = [torch.autograd.grad(value, logits)[0] for value in results]
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1e2, 1e4])
def test_certain_photos_and_a_batch_that_knows_nothing_are_finite(kind, size) -> None:
    logits = (size * torch.eye(5)).requires_grad_()
    for fits in (FITS, ~torch.eye(5).bool(), torch.ones(5, 5).bool()):
        loss = built(kind)(logits, fits)
        (gradient,) = torch.autograd.grad(loss, logits)
        assert loss.isfinite()
        assert gradient.isfinite().all()
    assert (gradient == 0).all()


class Mine(ClassWeightedLoss):
    def sample_losses(self, logits, target):
        return (target * (1 - logits.softmax(1))).sum(dim=1)


def test_a_loss_that_knows_no_sets_learns_from_the_probabilities_of_the_classes() -> None:
    logits, loss = logits_of(), Mine(num_classes=5)
    p = logits.softmax(1)
    q = (p * FITS / (p * FITS).sum(1, keepdim=True)).detach()
    known = [0, 1, 2, 4]
    check(loss, logits, loss(logits[known], q[known], WEIGHT[known]))


@pytest.mark.parametrize("mixed", [False, True])
def test_a_loss_of_mmpretrain_is_refused(mixed) -> None:
    from mmmask.models.heads.linear import MaskLinearHead
    from mmmask.structures import SampleBatch

    theirs = {"type": "CrossEntropyLoss"}
    if mixed:
        theirs = {"type": "LossMix", "losses": {"a": theirs}, "loss_weights": {"a": 1.0}}
    head = MaskLinearHead(4, loss=theirs)
    batch = SampleBatch(fits=torch.ones(2, 18).bool())
    with pytest.raises(InputError, match=r"loss\.type must be a loss of mmmask"):
        head.loss((torch.zeros(2, 4),), batch)


def test_margins_lower_every_class_that_fits_by_its_own() -> None:
    cosine = torch.linspace(-0.9, 0.9, 25).view(5, 5)
    margin = torch.linspace(0.1, 0.5, 5)
    lowered = torch.where(FITS, cosine_with_margin(cosine, margin.expand(5, 5)), cosine)
    torch.testing.assert_close(arcface_logits(cosine, FITS, margin=margin, scale=8.0), 8 * lowered)
    expected = torch.where(FITS, cosine - margin, cosine)
    torch.testing.assert_close(lower_by_margin(cosine, FITS, margin=margin), expected)
