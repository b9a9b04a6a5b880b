from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist
from mmengine.dataset import BaseDataset, RepeatDataset
from mmengine.model import MMDistributedDataParallel
from tiny_engine import tiny_config, train
from torch import nn
from torch.utils.data import ConcatDataset

from mmmask.engine.checkpoints import load_checkpoint_file
from mmmask.engine.hooks.class_count_hook import ClassCountHook, class_counts
from mmmask.engine.unwrap import model_and_copies
from mmmask.models.heads.arcface import MaskArcFaceHead


def test_the_head_and_its_averaged_copy_get_the_counts_of_the_training_split(tmp_path):
    runner = train(tiny_config(tmp_path, epochs=1))
    counts = class_counts(runner.train_dataloader.dataset)
    assert counts.sum() == 40
    assert [model.head.counted for model in model_and_copies(runner)] == [True, True]
    content = load_checkpoint_file(tmp_path / "epoch_1.pth")
    assert content["state_dict"]["head.class_counts"].equal(counts)
    assert content["ema_state_dict"]["module.head.class_counts"].equal(counts)


def test_a_validation_alone_sets_nothing(tmp_path):
    from mmengine.runner import Runner

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
