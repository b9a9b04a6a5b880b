import logging
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
import torch.distributed as dist
from mmengine.dataset import BaseDataset, RepeatDataset
from mmengine.model import MMDistributedDataParallel
from mmengine.runner import Runner
from mmpretrain.datasets import PackInputs
from mmpretrain.models import LinearClsHead
from mmpretrain.registry import MODELS
from tiny_engine import TinyNet, tiny_config, train
from torch import nn
from torch.nn import functional
from torch.utils.data import ConcatDataset

from mmmask.datasets.layout import with_labels
from mmmask.engine.checkpoints import load_checkpoint_file
from mmmask.engine.hooks.head_hooks import (
    ClassCountHook,
    DeferredReweightingHook,
    MarginWarmupHook,
    TemperatureHook,
    check_can_learn,
    class_counts,
    margin_factor,
)
from mmmask.engine.unwrap import model_and_copies
from mmmask.errors import InputError
from mmmask.models.heads.arcface import MaskArcFaceHead
from mmmask.models.heads.attribute import AttributeHead
from mmmask.models.heads.decomposed import DecomposedHead
from mmmask.models.losses import focal  # noqa: F401 - registers it
from mmmask.models.losses.cross_entropy import WeightedCrossEntropyLoss
from mmmask.models.losses.mix import LossMix


def test_the_head_and_its_averaged_copy_get_the_counts_of_the_training_split(tmp_path):
    runner = train(tiny_config(tmp_path, epochs=1))
    counts = class_counts(runner.train_dataloader.dataset)
    assert counts.sum() == 40
    assert [model.head.counted for model in model_and_copies(runner)] == [True, True]
    content = load_checkpoint_file(tmp_path / "epoch_1.pth")
    assert content["state_dict"]["head.class_counts"].equal(counts)
    assert content["ema_state_dict"]["module.head.class_counts"].equal(counts)


def test_a_validation_alone_sets_nothing(tmp_path):
    runner = Runner.from_cfg(tiny_config(tmp_path))
    runner.val()
    assert runner.model.head.class_counts.sum() == 0


@pytest.fixture
def one_process_group(tmp_path):
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


class Photos(BaseDataset):
    """A data set of which only the numbers of photos of the classes are known."""

    def __init__(self, counts):
        self.counts = counts
        super().__init__(lazy_init=True)

    def full_init(self):
        self._fully_initialized = True

    def class_counts(self):
        return self.counts

    def __len__(self):
        return sum(self.counts)


@pytest.mark.parametrize(
    ("counts", "margins"),
    [([4] * 18, [0.5] * 18), ([4] * 9 + [64] * 9, [0.5] * 9 + [0.3] * 9)],
    ids=["balanced", "unbalanced"],
)
def test_adaptive_margins_survive_ddp_and_wrapped_data(one_process_group, counts, margins):
    """Also balanced data, on which MMPretrain's hook divides by 0."""
    model = nn.Module()
    model.head = head = MaskArcFaceHead(5, margin="adaptive", margin_range=(0.1, 0.5))
    repeated = RepeatDataset(Photos(counts), times=3, lazy_init=True)
    runner = SimpleNamespace(
        model=MMDistributedDataParallel(model),
        hooks=[],
        train_dataloader=SimpleNamespace(dataset=ConcatDataset([Photos(counts), repeated])),
    )
    ClassCountHook().before_train(runner)
    torch.testing.assert_close(head.margin, torch.tensor(margins))
    label = torch.arange(18)
    loss = head.loss_module(head.training_logits((torch.randn(18, 5),), label), label)
    loss.backward()
    assert loss.isfinite()
    assert head.centers.grad.isfinite().all()


class PartlyKnown(Photos):
    """Photos that know mask and age."""

    def __init__(self):
        super().__init__([1] * 18)
        table = pd.DataFrame({"image": ["a", "b"], "mask": ["wear", "normal"]})
        self.samples = with_labels(table.assign(age=pd.array([20, 40], dtype="Int16")))


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (LinearClsHead(18, 5), "head.type must be a head of mmmask where labels are partly known; "
         "got LinearClsHead"),
        (DecomposedHead(5), "no training photo has a known gender"),
        (AttributeHead(5, attribute="gender"), "no training photo has a known gender"),
    ],
)  # fmt: skip
def test_a_head_that_cannot_learn_from_what_is_known_is_refused(head, message):
    check_can_learn(AttributeHead(5, attribute="age"), ConcatDataset([PartlyKnown()]))
    check_can_learn(head, Photos([1] * 18))
    with pytest.raises(InputError, match=message):
        check_can_learn(head, ConcatDataset([PartlyKnown(), Photos([1] * 18)]))


def test_photos_packed_without_what_is_known_of_them_are_refused():
    photos = PartlyKnown()
    photos.pipeline.transforms.append(PackInputs())
    with pytest.raises(InputError, match=r"pipeline must end with PackPhoto .*; got PackInputs"):
        check_can_learn(AttributeHead(5, attribute="age"), photos)


@MODELS.register_module()
class DeferredNet(TinyNet):
    """A tiny net that notes, step by step, whether its class weights hold."""

    def __init__(self):
        super().__init__()
        self.entropy = WeightedCrossEntropyLoss()
        self.seen = []

    def forward(self, inputs, labels, mode="tensor"):
        self.seen.append(self.entropy.reweighting) if mode == "loss" else None
        return super().forward(inputs, labels, mode)


def deferred_config(tmp_path, *, begin, epochs):
    config = tiny_config(tmp_path, epochs=epochs)
    config.model.type = "DeferredNet"
    config.custom_hooks.append({"type": "DeferredReweightingHook", "begin": begin})
    return config


def test_class_weights_hold_from_the_epoch_that_is_named(tmp_path):
    runner = train(deferred_config(tmp_path, begin=2, epochs=3))  # 5 steps an epoch
    assert runner.model.seen == [False] * 10 + [True] * 5


def test_a_resumed_run_has_the_weights_of_its_epoch(tmp_path):
    late = deferred_config(tmp_path, begin=1, epochs=3)
    train(late, kill={"point": "inside the epoch", "epoch": 3})
    assert train(late, resume=True).model.seen == [True] * 5


def test_until_then_each_class_weighs_one_and_the_denominator_follows():
    torch.manual_seed(0)
    logits, label = torch.randn(9, 4), torch.randint(0, 4, (9,))
    weight = torch.tensor([0.5, 1.0, 2.0, 4.0])
    loss = WeightedCrossEntropyLoss(num_classes=4, class_weight=weight.tolist())
    loss.set_reweighting(False)
    torch.testing.assert_close(loss(logits, label), functional.cross_entropy(logits, label))
    loss.set_reweighting(True)
    torch.testing.assert_close(
        loss(logits, label), functional.cross_entropy(logits, label, weight=weight)
    )


def test_every_loss_of_a_mix_and_of_each_attribute_is_reached():
    losses = {"a": {"type": "SoftmaxFocalLoss"}, "b": {"type": WeightedCrossEntropyLoss}}
    mix = {"type": LossMix, "losses": losses, "loss_weights": {"a": 1.0, "b": 1.0}}

    class Runner:
        model = DecomposedHead(5, loss=mix)
        epoch, max_epochs, logger = 0, 4, logging.getLogger()

    hook = DeferredReweightingHook(begin=2)
    hook.before_train(Runner)
    assert len(hook.losses) == 6
    hook.before_train_epoch(Runner)
    assert not any(loss.reweighting for loss in hook.losses)


def test_a_run_that_ends_before_says_so(tmp_path, caplog):
    class Runner:
        model = DecomposedHead(5)
        max_epochs, logger = 4, logging.getLogger("deferred")

    with caplog.at_level("WARNING"):
        DeferredReweightingHook(begin=4).before_train(Runner)
    assert "begin after epoch 4, but the run has 4" in caplog.text


@pytest.mark.parametrize("begin", [-1, 1.5])
def test_a_begin_that_is_no_number_of_epochs_is_refused(begin):
    with pytest.raises(InputError, match=f"`begin`; got {begin}"):
        DeferredReweightingHook(begin=begin)


@pytest.mark.parametrize(
    ("step", "begin", "end", "factor"),
    [
        *((0, 0, 4, 0.25), (2, 0, 4, 0.75), (3, 0, 4, 1), (9, 0, 4, 1), (0, 0, 0, 1)),
        *((0, 2, 4, 0), (1, 2, 4, 0), (2, 2, 4, 0.5), (3, 2, 4, 1)),
    ],
)
def test_the_factor_grows_linearly_from_begin_to_end(step, begin, end, factor):
    assert margin_factor(step, begin, end) == factor


def test_the_head_gets_a_factor_at_every_step(tmp_path):
    runner = train(tiny_config(tmp_path, epochs=2))  # 5 steps an epoch, warmed up over 1.5
    expected = [min(1, step / 7.5) for step in range(1, 11)]
    assert runner.model.head.factors == pytest.approx(expected)


def test_a_resumed_run_goes_on_with_the_same_factors(tmp_path):
    config = tiny_config(tmp_path, epochs=3)
    train(config, kill={"point": "inside the epoch", "epoch": 2})
    factors = train(config, resume=True).model.head.factors
    assert factors == pytest.approx([min(1, step / 7.5) for step in range(6, 16)])


def test_a_negative_length_is_refused():
    with pytest.raises(InputError, match=r"got 0\.0 and -1"):
        MarginWarmupHook(end=-1)


def test_the_temperature_is_the_product_of_the_fitted_factors(tmp_path):
    runner = train(tiny_config(tmp_path, epochs=3))
    factors = runner.message_hub.get_scalar("val/temperature").data[0]
    assert len(set(factors)) == 3
    content = load_checkpoint_file(tmp_path / "epoch_3.pth")
    for weights, prefix in (("state_dict", ""), ("ema_state_dict", "module.")):
        stored = content[weights][f"{prefix}head.temperature"].item()
        assert stored == pytest.approx(factors.prod(), rel=1e-6)


def test_the_temperature_of_the_best_checkpoint_is_that_of_its_own_validation(tmp_path):
    runner = train(tiny_config(tmp_path, epochs=3))
    (best,) = tmp_path.glob("best_*.pth")
    content = load_checkpoint_file(best)
    factors = runner.message_hub.get_scalar("val/temperature").data[0]
    expected = factors[: content["meta"]["epoch"]].prod()
    assert content["state_dict"]["head.temperature"].item() == pytest.approx(expected, rel=1e-6)


def test_a_validation_outside_of_training_leaves_the_temperature(tmp_path):
    runner = Runner.from_cfg(tiny_config(tmp_path))
    runner.val()
    assert runner.model.head.temperature == 1


def hook_and_runner():
    warnings = []
    logger = SimpleNamespace(warning=warnings.append)
    runner = SimpleNamespace(model=TinyNet(), hooks=[], logger=logger)
    hook = TemperatureHook()
    hook.before_train(runner)
    return hook, runner, warnings


@pytest.mark.parametrize("factor", [float("nan"), float("inf"), 0.0])
def test_a_factor_that_is_no_temperature_is_left_out(factor):
    hook, runner, warnings = hook_and_runner()
    hook.after_val_epoch(runner, {"temperature": factor})
    assert runner.model.head.temperature == 1
    assert len(warnings) == 1


def test_a_metric_that_states_no_temperature_leaves_it_and_the_log_says_so():
    hook, runner, warnings = hook_and_runner()
    hook.after_val_epoch(runner, {"accuracy/top1": 50.0})
    assert runner.model.head.temperature == 1
    assert len(warnings) == 1


def test_a_head_without_a_temperature_is_left_alone():
    hook, runner, _ = hook_and_runner()
    runner.model.head = torch.nn.Linear(1, 1)
    hook.after_val_epoch(runner, {"macro_f1": 0.5})
