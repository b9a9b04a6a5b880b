import logging

import pytest
import torch
from mmpretrain.registry import MODELS
from tiny_engine import TinyNet, tiny_config, train
from torch.nn import functional

from mmmask.engine.hooks.deferred_reweighting_hook import DeferredReweightingHook
from mmmask.errors import InputError
from mmmask.models.heads.decomposed import DecomposedHead
from mmmask.models.losses import focal  # noqa: F401 - registers it
from mmmask.models.losses.cross_entropy import WeightedCrossEntropyLoss
from mmmask.models.losses.mix import LossMix


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


def config(tmp_path, *, begin, epochs):
    config = tiny_config(tmp_path, epochs=epochs)
    config.model.type = "DeferredNet"
    config.custom_hooks.append({"type": "DeferredReweightingHook", "begin": begin})
    return config


def test_class_weights_hold_from_the_epoch_that_is_named(tmp_path):
    runner = train(config(tmp_path, begin=2, epochs=3))  # 5 steps an epoch
    assert runner.model.seen == [False] * 10 + [True] * 5


def test_a_resumed_run_has_the_weights_of_its_epoch(tmp_path):
    late = config(tmp_path, begin=1, epochs=3)
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
    with pytest.raises(InputError, match=f"`begin`, got {begin}"):
        DeferredReweightingHook(begin=begin)
