import pytest
import torch
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS
from torch import nn

import mmmask.register  # noqa: F401
from mmmask.errors import InputError
from mmmask.models.heads.base import attribute_targets
from mmmask.structures import SampleBatch

LABELLED, UNLABELLED = 4, 6
HEADS = {
    "linear": {"type": "MaskLinearHead"},
    "arcface": {"type": "MaskArcFaceHead", "margin": 0.3},
    "decomposed": {"type": "DecomposedHead"},
    "gender": {"type": "AttributeHead", "attribute": "gender"},
    "age_years": {"type": "AgeHead", "age": {"type": "LabelDistributionAge"}},
}
CONSISTENCY = {
    "uda": {"type": "UDAConsistency", "threshold": 0.0},
    "fixmatch": {"type": "FixMatchConsistency", "threshold": 0.0},
}


@MODELS.register_module(force=True)
class PooledConv(nn.Module):
    """A backbone of one convolution with BatchNorm."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)

    def forward(self, inputs):
        self.seen = inputs
        return (self.norm(self.conv(inputs)).relu().mean((2, 3)),)


def classifier(head="linear", consistency="uda", *, semi=True, **options):
    init_default_scope("mmpretrain")
    torch.manual_seed(0)
    kind = {"type": "ImageClassifier"}
    if semi:
        kind = {
            "type": "SemiSupervisedClassifier",
            "consistency": CONSISTENCY[consistency],
            **options,
        }
    return MODELS.build(
        {
            **kind,
            "data_preprocessor": {
                "type": "SemiPreprocessor",
                "mean": (120.0, 110.0, 100.0),
                "std": (60.0, 61.0, 62.0),
            },
            "backbone": {"type": "PooledConv"},
            "head": {**HEADS[head], "in_channels": 8},
        }
    )


def photos(count, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, 9, 7), generator=generator, dtype=torch.uint8)


def data(*, unlabelled=True):
    batch = SampleBatch()
    batch.gt_label = torch.tensor([0, 5, 9, 17])
    batch.age = torch.tensor([20, 64, 25, 60])
    views = {"weak": photos(UNLABELLED, 1), "strong": photos(UNLABELLED, 2)}
    rest = {"unlabelled": views} if unlabelled else {}
    return {"inputs": photos(LABELLED, 0), "data_samples": batch, **rest}


def losses(model, batch):
    return model(**model.data_preprocessor(batch, True), mode="loss")


def test_labelled_photos_come_first_then_the_weak_then_the_strong_views():
    model = classifier()
    joined = model.data_preprocessor(data(), True)["inputs"]
    for part, seed in zip(joined.split([LABELLED, UNLABELLED, UNLABELLED]), range(3), strict=True):
        alone = model.data_preprocessor({"inputs": photos(len(part), seed)})
        torch.testing.assert_close(part, alone["inputs"])


def test_all_pass_the_network_and_its_batch_norm_at_once():
    model = classifier()
    losses(model.train(), data())
    assert len(model.backbone.seen) == LABELLED + 2 * UNLABELLED
    assert model.backbone.norm.num_batches_tracked == 1


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("consistency", CONSISTENCY)
def test_the_losses_are_the_heads_and_the_consistency_of_its_test_logits(head, consistency):
    model = classifier(head, consistency).eval()  # BatchNorm fixed, so that parts can be compared
    batch = model.data_preprocessor(data(), True)
    found = model(**batch, mode="loss")
    feats = model.extract_feat(batch["inputs"])
    expected = model.head.loss((feats[0][:LABELLED],), batch["data_samples"])
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)
    weak, strong = model.head((feats[0][LABELLED:],)).split(UNLABELLED)
    loss, _ = model.consistency(weak, strong, 0.0)
    torch.testing.assert_close(found["loss_consistency"], loss)
    assert loss > 0


@pytest.mark.parametrize("head", HEADS)
def test_gradients_reach_every_weight_and_are_finite(head):
    model = classifier(head).train()
    loss, logged = model.parse_losses(losses(model, data()))
    loss.backward()
    assert all(torch.isfinite(weight.grad).all() for weight in model.parameters())
    assert logged["confident"] == 1


def test_without_unlabelled_photos_it_is_the_plain_classifier():
    model, plain = classifier(), classifier(semi=False)
    plain.load_state_dict(model.state_dict())  # the same names
    one, other = losses(model, data(unlabelled=False)), losses(plain, data(unlabelled=False))
    assert one.keys() == other.keys()
    torch.testing.assert_close(one["loss"], other["loss"])


@pytest.mark.parametrize("progress", [0.0, 0.5])
def test_annealing_leaves_out_the_photos_that_are_known_well(progress):
    model = classifier(annealing="linear").eval()
    model.head.fc.bias.data[5] = 5.0
    model.progress = progress
    batch = model.data_preprocessor(data(unlabelled=False), True)
    feats = model.extract_feat(batch["inputs"])
    log_p = model.head(feats).log_softmax(dim=1)
    right = log_p[torch.arange(LABELLED), batch["data_samples"].gt_label]
    threshold = progress * (1 - 1 / 18) + 1 / 18
    kept = [value for value in right.tolist() if value <= torch.tensor(threshold).log().item()]
    assert len(kept) < LABELLED, "the test needs a photo that is known well"
    expected = -sum(kept) / len(kept) if kept else 0.0
    assert losses(model, data(unlabelled=False))["loss"].item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("head", HEADS)
def test_annealing_works_with_any_head(head):
    model = classifier(head, annealing="exp")
    model.progress = 1.0  # the threshold is 1: all stay
    annealed = losses(model.eval(), data())
    model.annealing = None
    assert annealed.keys() == losses(model, data()).keys()
    for name, value in losses(model, data()).items():
        torch.testing.assert_close(annealed[name], value)


def test_annealing_of_one_attribute_knows_its_part_of_the_label():
    """All are sure to be women: nothing is left to learn of the two who are."""
    model = classifier("gender", annealing="linear").eval()
    model.head.fc.bias.data = torch.tensor([0.0, 20.0])
    women = (attribute_targets(data()["data_samples"].gt_label)["gender"] == 1).float().mean()
    assert 0 < women < 1
    assert losses(model, data(unlabelled=False))["loss"].item() == pytest.approx(20, rel=0.01)


def test_annealing_keeps_the_weights_of_the_photos_and_the_given_batch():
    model = classifier(annealing="exp").eval()
    model.progress = 1.0  # the threshold is 1: all stay
    batch = data(unlabelled=False)
    batch["data_samples"].weight = torch.tensor([1.0, 2.0, 3.0, 0.0])
    prepared = model.data_preprocessor(batch, True)
    annealed = model(**prepared, mode="loss")["loss"]
    model.annealing = None
    torch.testing.assert_close(annealed, model(**prepared, mode="loss")["loss"])


def partly_known():
    """A batch of which the first photo knows the mask alone."""
    batch = data(unlabelled=False)
    samples = batch["data_samples"]
    samples.fits = torch.eye(18).bool()[samples.gt_label]
    samples.fits[0] = torch.arange(18) < 6
    return batch


@pytest.mark.parametrize("mixed", [False, True])
def test_annealing_asks_for_the_probability_of_what_is_known(mixed):
    model = classifier(annealing="linear").eval()
    model.head.fc.bias.data[:6] = 2.0  # it is likely that the mask is worn, and no more
    model.progress = 0.4
    batch = model.data_preprocessor(partly_known(), True)
    samples = batch["data_samples"]
    shares = torch.eye(LABELLED)
    if mixed:
        shares = 0.7 * shares + 0.3 * shares.roll(1, dims=0)
        samples.shares = shares
    p = model.head(model.extract_feat(batch["inputs"])).softmax(dim=1)
    fitting = p @ samples.fits.float().T  # (N, N) probability of what each photo knows
    known = (fitting * shares).sum(dim=1)
    kept = known <= 0.4 * (1 - 1 / 18) + 1 / 18
    assert 0 < kept.sum() < LABELLED
    expected = -(shares * fitting.log())[kept].sum() / kept.sum()
    torch.testing.assert_close(model(**batch, mode="loss")["loss"], expected)


def test_an_unknown_schedule_of_annealing_is_named():
    with pytest.raises(InputError, match=r"semi\.annealing .* linear, log, exp; got 'cosine'"):
        classifier(annealing="cosine")
