"""What every head promises to MMPretrain's classifier, the metric and the checkpoint."""

import pytest
import torch
from mmpretrain.models.losses import CrossEntropyLoss
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

from mmmask.errors import InputError
from mmmask.models.heads import arcface, attribute, cosface, decomposed, linear  # noqa: F401
from mmmask.models.losses import focal  # noqa: F401 (likewise)
from mmmask.structures import SampleBatch

HEADS = ["MaskLinearHead", "MaskArcFaceHead", "MaskCosFaceHead", "DecomposedHead"]


def build(kind, **options):
    torch.manual_seed(3)
    return MODELS.build({"type": kind, "in_channels": 16, **options})


def feats(photos=6):
    torch.manual_seed(4)
    return (torch.randn(photos, 16),)


def sample_list(photos=6, **fields):
    samples = [DataSample().set_gt_label(index % 18) for index in range(photos)]
    for name, values in fields.items():
        for sample, value in zip(samples, values, strict=True):
            sample.set_field(value, name)
    return samples


def sample_batch(photos=6, **fields):
    batch = SampleBatch()
    batch.gt_label = torch.arange(photos) % 18
    for name, values in fields.items():
        batch.set_field(values, name)
    return batch


@pytest.mark.parametrize("kind", HEADS)
def test_a_sample_batch_receives_the_tempered_softmax_of_the_logits(kind):
    head = build(kind, temperature=2.0).eval()
    batch = sample_batch()
    assert head.predict(feats(), batch) is batch
    torch.testing.assert_close(batch.pred_score, (head(feats()) / 2).softmax(1))
    assert batch.pred_score.dtype == torch.float32
    torch.testing.assert_close(batch.pred_score.sum(1), torch.ones(6))


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("given", [True, False])
def test_a_list_of_samples_receives_the_same_scores_photo_by_photo(kind, given):
    head = build(kind, temperature=2.0).eval()
    samples = sample_list() if given else None
    predicted = head.predict(feats(), samples)
    batch = head.predict(feats(), sample_batch())
    torch.testing.assert_close(torch.stack([p.pred_score for p in predicted]), batch.pred_score)
    assert [int(p.pred_label) for p in predicted] == batch.pred_score.argmax(1).tolist()
    if given:
        assert all(ours is theirs for ours, theirs in zip(predicted, samples, strict=True))


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("soft", [False, True])
def test_a_sample_batch_and_a_list_have_the_same_weighted_loss(kind, soft):
    head = build(kind)
    fields = {"weight": torch.tensor([1.0, 0.5, 2.0, 1.0, 0.0, 1.0])}
    if soft:
        fields["gt_score"] = torch.rand(6, 18).softmax(1)
    torch.testing.assert_close(
        head.loss(feats(), sample_batch(**fields)), head.loss(feats(), sample_list(**fields))
    )


@pytest.mark.parametrize("kind", HEADS)
def test_a_photo_of_weight_zero_does_not_count(kind):
    head = build(kind)
    weight = torch.tensor([1.0, 1.0, 1.0, 1.0, 1.0, 0.0])
    without = (feats()[0][:5],)
    torch.testing.assert_close(
        head.loss(feats(), sample_batch(weight=weight)), head.loss(without, sample_batch(5))
    )


@pytest.mark.parametrize("kind", HEADS)
def test_the_temperature_is_not_in_the_training_loss(kind):
    cold, hot = build(kind, temperature=1.0), build(kind, temperature=5.0)
    assert cold.loss(feats(), sample_batch()) == hot.loss(feats(), sample_batch())


@pytest.mark.parametrize("kind", HEADS)
def test_outputs_are_float32_under_autocast(kind):
    head = build(kind)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = head(feats())
        losses = head.loss(feats(), sample_batch())
        batch = head.predict(feats(), sample_batch())
    assert {logits.dtype, batch.pred_score.dtype} == {torch.float32}
    assert all(loss.dtype == torch.float32 for loss in losses.values())


@pytest.mark.parametrize("kind", HEADS)
def test_a_checkpoint_restores_class_weights_and_temperature(kind):
    loss = {"type": "SoftmaxFocalLoss", "class_weight": "effective_number"}
    trained = build(kind, loss=loss)
    trained.set_class_counts(torch.arange(1.0, 19.0))
    trained.set_temperature(1.7)
    restored = build(kind, loss=loss)
    restored.load_state_dict(trained.state_dict())
    assert restored.temperature == trained.temperature == torch.tensor(1.7)
    assert restored.loss(feats(), sample_batch()) == trained.loss(feats(), sample_batch())


@pytest.mark.parametrize("kind", HEADS)
def test_class_weights_by_name_reach_the_loss_only_through_the_head(kind):
    head = build(kind, loss={"type": "SoftmaxFocalLoss", "class_weight": "inverse"})
    with pytest.raises(InputError, match="set_class_counts"):
        head.loss(feats(), sample_batch())
    head.set_class_counts(torch.arange(1.0, 19.0))
    assert all(loss.isfinite() for loss in head.loss(feats(), sample_batch()).values())


@pytest.mark.parametrize("kind", HEADS)
def test_mmpretrains_classifier_trains_and_predicts_with_the_head(kind):
    torch.manual_seed(5)
    model = MODELS.build(
        {
            "type": "ImageClassifier",
            "backbone": {"type": "LeNet5"},
            "neck": {"type": "GlobalAveragePooling"},
            "head": {"type": kind, "in_channels": 120, "dropout": 0.1},
        }
    )
    model.init_weights()
    photos = torch.randn(6, 1, 32, 32)
    total, log = model.parse_losses(model(photos, sample_batch(), mode="loss"))
    total.backward()
    parts = [value for name, value in log.items() if name != "loss"]
    assert total.item() == pytest.approx(sum(parts).item() if parts else log["loss"].item())
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert any(p.grad.any() for p in model.backbone.parameters())
    predicted = model.eval()(photos, sample_batch(), mode="predict")
    assert predicted.pred_score.shape == (6, 18)


def test_a_stock_loss_works_in_our_head():
    head = build("MaskLinearHead", loss={"type": "CrossEntropyLoss"})
    assert isinstance(head.loss_module, CrossEntropyLoss)
    head.set_class_counts(torch.ones(18))
    expected = torch.nn.functional.cross_entropy(head(feats()), torch.arange(6))
    torch.testing.assert_close(head.loss(feats(), sample_batch())["loss"], expected)


@pytest.mark.parametrize("shape", [(6, 15), (6, 16, 4, 4)])
def test_a_feature_that_does_not_fit_names_the_field_to_set(shape):
    with pytest.raises(InputError, match=r"head.in_channels: .* \(N, 16\)"):
        build("MaskLinearHead")((torch.zeros(shape),))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dropout": 1.0}, r"dropout must be at least 0 and below 1; got 1.0"),
        ({"temperature": 0.0}, "temperature must be finite and above 0; got 0.0"),
        ({"loss": {"type": "SoftmaxFocalLoss", "num_classes": 3}}, "must be the head's 18; got 3"),
        ({"loss": {"type": "SoftmaxFocalLoss", "class_weight": "rare"}}, "got 'rare'"),
    ],
)
def test_options_that_mean_nothing_are_refused_by_name(options, message):
    with pytest.raises(InputError, match=message):
        build("MaskLinearHead", **options)


@pytest.mark.parametrize("kind", HEADS)
def test_a_misspelled_option_is_refused(kind):
    with pytest.raises(TypeError, match="unexpected keyword argument 'dropuot'"):
        build(kind, dropuot=0.1)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("DecomposedHead", {}),
        ("AttributeHead", {"attribute": "mask"}),
        ("AgeHead", {"age": {"type": "CoralAge"}}),
    ],
)
def test_heads_whose_classes_are_given_refuse_another_number(kind, options):
    with pytest.raises(TypeError, match="'num_classes'"):
        build(kind, num_classes=5, **options)
