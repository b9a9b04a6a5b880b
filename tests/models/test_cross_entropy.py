import pytest
import torch
from mmpretrain.models.heads import LinearClsHead
from mmpretrain.structures import DataSample
from torch.nn import functional

from mmmask.errors import InputError
from mmmask.models.losses.cross_entropy import WeightedCrossEntropyLoss
from mmmask.models.losses.reduction import as_distribution

CLASS_WEIGHT = [0.5, 1.0, 2.0, 4.0]
COUNTS = torch.tensor([40.0, 30.0, 20.0, 10.0])


def batch(dtype=torch.float32, soft=False, photos=7):
    torch.manual_seed(0)
    logits = torch.randn(photos, 4, dtype=dtype, requires_grad=True)
    if soft:
        return logits, torch.rand(photos, 4, dtype=dtype).softmax(1)
    return logits, torch.randint(0, 4, (photos,))


def with_gradient(loss, logits):
    return loss, torch.autograd.grad(loss.sum(), logits)[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("class_weight", [None, CLASS_WEIGHT])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_each_photos_loss_and_gradient_equal_torchs(dtype, soft, class_weight, smoothing):
    logits, target = batch(dtype, soft)
    loss = WeightedCrossEntropyLoss(
        num_classes=4, class_weight=class_weight, label_smoothing=smoothing
    ).to(dtype)
    ours = loss.sample_losses(logits, as_distribution(target, num_classes=4, dtype=dtype))
    weight = None if class_weight is None else torch.tensor(class_weight, dtype=dtype)
    torchs = functional.cross_entropy(
        logits, target, weight=weight, label_smoothing=smoothing, reduction="none"
    )
    torch.testing.assert_close(with_gradient(ours, logits), with_gradient(torchs, logits))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_mean_over_weights_is_torchs_mean(smoothing):
    logits, label = batch()
    loss = WeightedCrossEntropyLoss(
        num_classes=4, class_weight=CLASS_WEIGHT, label_smoothing=smoothing
    )
    torchs = functional.cross_entropy(
        logits, label, weight=torch.tensor(CLASS_WEIGHT), label_smoothing=smoothing
    )
    torch.testing.assert_close(
        with_gradient(loss(logits, label), logits), with_gradient(torchs, logits)
    )


def test_the_mean_over_samples_divides_by_their_number():
    logits, label = batch()
    loss = WeightedCrossEntropyLoss(num_classes=4, class_weight=CLASS_WEIGHT, denominator="samples")
    total = functional.cross_entropy(
        logits, label, weight=torch.tensor(CLASS_WEIGHT), reduction="sum"
    )
    torch.testing.assert_close(loss(logits, label), total / 7)


def test_the_denominator_of_soft_targets_is_their_expected_class_weight():
    logits, target = batch(soft=True)
    loss = WeightedCrossEntropyLoss(num_classes=4, class_weight=CLASS_WEIGHT)
    weight = torch.tensor(CLASS_WEIGHT)
    total = functional.cross_entropy(logits, target, weight=weight, reduction="sum")
    torch.testing.assert_close(loss(logits, target), total / (target @ weight).sum())


@pytest.mark.parametrize("denominator", ["weights", "samples"])
def test_a_photo_of_weight_two_counts_like_two_photos(denominator):
    logits, label = batch()
    loss = WeightedCrossEntropyLoss(
        num_classes=4, class_weight=CLASS_WEIGHT, denominator=denominator, label_smoothing=0.1
    )
    weighted = loss(logits, label, weight=torch.tensor([2, 1, 1, 1, 1, 1, 1]))
    repeated = loss(torch.cat([logits[:1], logits]), torch.cat([label[:1], label]))
    torch.testing.assert_close(weighted, repeated)


def test_one_hot_targets_equal_labels():
    logits, label = batch()
    loss = WeightedCrossEntropyLoss(num_classes=4, class_weight=CLASS_WEIGHT, label_smoothing=0.1)
    one_hot = functional.one_hot(label, 4).float()
    torch.testing.assert_close(loss(logits, one_hot), loss(logits, label))


def test_a_batch_that_weighs_nothing_has_loss_and_gradient_zero():
    logits, label = batch()
    loss = WeightedCrossEntropyLoss(num_classes=4)(logits, label, weight=torch.zeros(7))
    value, gradient = with_gradient(loss, logits)
    assert value == 0
    assert (gradient == 0).all()


def test_an_avg_factor_replaces_the_denominator():
    logits, label = batch()
    loss = WeightedCrossEntropyLoss(num_classes=4, class_weight=CLASS_WEIGHT, loss_weight=0.5)
    total = functional.cross_entropy(
        logits, label, weight=torch.tensor(CLASS_WEIGHT), reduction="sum"
    )
    torch.testing.assert_close(loss(logits, label, avg_factor=3), 0.5 * total / 3)


def test_mmpretrains_own_head_can_use_the_loss():
    logits, label = batch()
    head = LinearClsHead(4, 4, loss={"type": "WeightedCrossEntropyLoss", "num_classes": 4})
    samples = [DataSample().set_gt_label(int(index)) for index in label]
    expected = functional.cross_entropy(head((logits,)), label)
    torch.testing.assert_close(head.loss((logits,), samples)["loss"], expected)


def test_half_precision_logits_are_summed_in_float32_under_autocast():
    logits, label = batch()
    loss = WeightedCrossEntropyLoss(num_classes=4, class_weight=CLASS_WEIGHT, label_smoothing=0.1)
    half = logits.detach().bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under_autocast = loss(half, label)
    assert under_autocast.dtype == torch.float32
    assert under_autocast == loss(half.float(), label)


def test_weights_by_name_follow_the_training_counts():
    loss = WeightedCrossEntropyLoss(num_classes=4, class_weight="inverse")
    loss.set_class_counts(COUNTS)
    torch.testing.assert_close(loss.class_weight, 100 / (4 * COUNTS))
    logits, label = batch()
    torchs = functional.cross_entropy(logits, label, weight=100 / (4 * COUNTS))
    torch.testing.assert_close(loss(logits, label), torchs)


def test_weights_by_name_without_counts_are_an_error_not_ones():
    loss = WeightedCrossEntropyLoss(num_classes=4, class_weight="inverse")
    with pytest.raises(InputError, match="set_class_counts"):
        loss(*batch())


def test_a_checkpoint_restores_weights_by_name():
    trained = WeightedCrossEntropyLoss(num_classes=4, class_weight="inverse")
    trained.set_class_counts(COUNTS)
    restored = WeightedCrossEntropyLoss(num_classes=4, class_weight="inverse")
    restored.load_state_dict(trained.state_dict())
    assert restored(*batch()) == trained(*batch())


def test_at_run_start_the_config_wins_over_the_checkpoint():
    trained = WeightedCrossEntropyLoss(num_classes=4, class_weight="inverse")
    trained.set_class_counts(COUNTS)
    finetuned = WeightedCrossEntropyLoss(num_classes=4, class_weight=CLASS_WEIGHT)
    finetuned.load_state_dict(trained.state_dict())
    finetuned.set_class_counts(COUNTS)
    assert finetuned.class_weight.tolist() == CLASS_WEIGHT


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_weight": "inversed"}, "got 'inversed'"),
        ({"class_weight": [1.0, 2.0]}, "class_weight must be 4 numbers"),
        ({"class_weight": [1.0, 2.0, -1.0, 1.0]}, "at least 0"),
        ({"class_weight": [0.0] * 4}, "not all 0"),
        ({"label_smoothing": 1.0}, r"label_smoothing must be at least 0 and below 1; got 1.0"),
        ({"denominator": "mean"}, "one of weights, samples; got 'mean'"),
    ],
)
def test_options_that_mean_nothing_are_refused_by_name(options, message):
    with pytest.raises(InputError, match=message):
        WeightedCrossEntropyLoss(num_classes=4, **options)
