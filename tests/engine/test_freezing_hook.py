import pytest
import torch
from layered_net import LayeredNet
from mmengine.hooks import Hook
from tiny_engine import differences, state, tiny_config, train

from mmmask.engine.checkpoints import load_checkpoint_file
from mmmask.engine.hooks.freezing_hook import FreezingHook, frozen_weights, modules_within
from mmmask.errors import InputError


def with_freezing(folder, **options):
    config = tiny_config(folder, model={"type": "LayeredNet"})
    config.optim_wrapper.optimizer = {"type": "AdamW", "lr": 0.02, "weight_decay": 0.1}
    config.custom_hooks = [{"type": "EpochSeedHook"}, {"type": "FreezingHook", **options}]
    return config


class Start(Hook):
    """Keep the weights from before the first step, and which gradients each epoch had."""

    def before_train(self, runner):
        self.weights = {k: v.clone() for k, v in runner.model.state_dict().items()}
        self.trained = []

    def after_train_iter(self, runner, **_):
        self.trained.append(
            [name for name, w in runner.model.named_parameters() if w.requires_grad]
        )


def moved(folder, start: Start) -> set[str]:
    last = load_checkpoint_file(folder / "epoch_4.pth")["state_dict"]
    return {name for name, value in last.items() if not torch.equal(value, start.weights[name])}


FIRST = {"backbone.0.weight", "backbone.0.bias", "backbone.1.weight", "backbone.1.bias"}


def test_frozen_layers_keep_weights_and_statistics_and_the_others_learn(tmp_path):
    start = Start()
    train(with_freezing(tmp_path, share=0.5), hooks=[start])
    changed = moved(tmp_path, start)
    assert not any(name.startswith(("backbone.0.", "backbone.1.")) for name in changed)
    assert {"backbone.2.2.weight", "backbone.3.running_mean", "head.linear.weight"} <= changed
    assert not FIRST & set(start.trained[0])


def test_with_the_whole_backbone_frozen_the_head_alone_learns(tmp_path):
    start = Start()
    train(with_freezing(tmp_path, share=1), hooks=[start])
    changed = {name for name in moved(tmp_path, start) if not name.endswith("counts")}
    assert changed == {"head.linear.weight", "head.linear.bias"}


def test_frozen_layers_are_in_evaluation_mode_while_the_others_train(tmp_path):
    modes = []

    class Watch(Hook):
        priority = 95

        def after_train_iter(self, runner, **_):
            modes.append([runner.model.backbone[layer].training for layer in range(4)])

    train(with_freezing(tmp_path, share=0.5), hooks=[Watch()])
    assert modes == [[False, False, True, True]] * 20


def test_layers_thaw_after_the_epochs_that_were_asked_for(tmp_path):
    start = Start()
    train(with_freezing(tmp_path, share=0.5, epochs=2), hooks=[start])
    assert [set(names) >= FIRST for names in start.trained] == [False] * 10 + [True] * 10
    assert moved(tmp_path, start) >= {"backbone.0.weight", "backbone.1.running_mean"}


@pytest.mark.parametrize("epoch", [2, 3, 4], ids=["frozen", "at the thaw", "thawed"])
def test_a_killed_and_resumed_run_equals_an_uninterrupted_one(tmp_path, epoch):
    configs = [with_freezing(tmp_path / name, share=0.5, epochs=2) for name in ("whole", "killed")]
    train(configs[0])
    train(configs[1], kill={"point": "inside the epoch", "epoch": epoch})
    train(configs[1], resume=True)
    files = [tmp_path / name / "epoch_4.pth" for name in ("whole", "killed")]
    assert not differences(*map(state, files))


def test_modules_within_are_those_whose_weights_are_all_frozen():
    backbone = LayeredNet().backbone
    frozen = frozen_weights(backbone, 0.5)
    assert len(frozen) == 4
    assert modules_within(backbone, frozen) == [backbone[0], backbone[1]]
    assert backbone in modules_within(backbone, frozen_weights(backbone, 1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"share": 0}, "`share` must be above 0 and at most 1; got 0"),
        ({"share": 0.5, "epochs": 0}, "`epochs` must be at least 1 or None; got 0"),
    ],
)
def test_a_wrong_option_is_named(options, message):
    with pytest.raises(InputError, match=message):
        FreezingHook(**options)
