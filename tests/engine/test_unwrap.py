from types import SimpleNamespace

import pytest
from mmengine.dataset import RepeatDataset
from mmengine.hooks import EMAHook
from mmengine.registry import DefaultScope
from tiny_engine import TinyFaces, TinyNet, tiny_config, train
from torch import nn
from torch.utils.data import ConcatDataset, Subset

from mmmask.engine.hooks.head_hooks import class_counts
from mmmask.engine.unwrap import heads_with, inner_datasets, live_model, model_and_copies
from mmmask.errors import InputError


def test_the_model_is_found_inside_its_wrapper():
    net = TinyNet()
    wrapped = nn.DataParallel(net)
    assert live_model(SimpleNamespace(model=wrapped)) is net
    assert live_model(SimpleNamespace(model=net)) is net


def test_averaged_copies_are_found_and_their_heads(tmp_path):
    runner = train(tiny_config(tmp_path, epochs=1))
    copies = model_and_copies(runner)
    assert copies[0] is runner.model
    assert len(copies) == 2
    assert heads_with(runner, "temperature") == [copy.head for copy in copies]
    assert heads_with(runner, "no such thing") == []


def test_an_averaging_hook_before_its_run_has_no_copy():
    net = TinyNet()
    assert model_and_copies(SimpleNamespace(model=net, hooks=[EMAHook()])) == [net]


def test_counts_of_nested_datasets_add_up():
    one, two = TinyFaces(10, 0, "a"), TinyFaces(6, 1, "b")
    counts = class_counts(ConcatDataset([one, ConcatDataset([two, one])]))
    assert counts.tolist() == (2 * one.class_counts() + two.class_counts()).tolist()


def test_counts_of_a_repeated_dataset_are_repeated():
    faces = {"type": "TinyFaces", "size": 6, "seed": 1, "people": "b"}
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        counts = class_counts(RepeatDataset(faces, times=3, lazy_init=True))
    assert counts.tolist() == (3 * TinyFaces(6, 1, "b").class_counts()).tolist()


def test_a_wrapper_that_is_not_known_is_refused_by_name():
    faces = TinyFaces(10, 0, "a")
    with pytest.raises(InputError, match=r"`class_counts`.*got Subset"):
        list(inner_datasets(ConcatDataset([faces, Subset(faces, [0])]), "class_counts"))
