"""Options that are unknown or impossible are refused by name; what can be built is not."""

import copy
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmpretrain.registry import MODELS, OPTIMIZERS, TRANSFORMS
from torch import nn

import mmmask.register  # noqa: F401
from mmmask.config import load_config
from mmmask.engine.config_check.check_config import check_config
from mmmask.engine.runner_config import load_checked
from mmmask.errors import InputError

CONFIGS = Path(__file__).parents[2] / "configs"
LEAVES = sorted(path.stem for path in CONFIGS.glob("*.py"))
#: Between them they have every block; what one of them changed already, others leave out.
VARIED = (
    "effnet_b3_arcface_uda",
    "mobilenet_v2_linear_swa",
    "mobilenet_v2_decomposed_corn",
    "mobilenet_v2_f1focal",
    "mobilenet_v2_arcface_mixup",
    "mobilenet_v2_linear_layerwise",
    "mobilenet_v2_linear_stopped",
    "mobilenet_v2_linear_frozen",
    "mobilenet_v2_arcface_rand_augment",
)
#: Dicts whose names are the user's own.
FREE = ("default_hooks", "hparams")
#: A config of MMPretrain alone, and what it inherits.
PLAIN = {
    "model": {
        "type": "ImageClassifier",
        "backbone": {"type": "ResNet", "depth": 18, "num_stages": 4, "norm_cfg": {"type": "BN"}},
        "neck": {"type": "GlobalAveragePooling"},
        "head": {
            "type": "LinearClsHead",
            "num_classes": 10,
            "in_channels": 512,
            "loss": {"type": "CrossEntropyLoss", "loss_weight": 1.0},
        },
    },
    "data_preprocessor": {"num_classes": 10, "mean": [125.3, 123.0, 113.9], "to_rgb": False},
    "train_dataloader": {
        "batch_size": 16,
        "num_workers": 2,
        "dataset": {
            "type": "CIFAR10",
            "data_prefix": "data/cifar10/",
            "pipeline": [{"type": "RandomCrop", "crop_size": 32}, {"type": "PackInputs"}],
        },
        "sampler": {"type": "DefaultSampler", "shuffle": True},
    },
    "train_cfg": {"by_epoch": True, "max_epochs": 2},
    "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9}},
    "param_scheduler": {"type": "MultiStepLR", "by_epoch": True, "milestones": [1], "gamma": 0.1},
    "custom_hooks": [{"type": "EMAHook", "momentum": 4e-5, "priority": "ABOVE_NORMAL"}],
    "train_pipeline": "a variable of the user's",
    "default_scope": "mmpretrain",
}


def paths(value: Any, where: tuple = ()) -> Iterator[tuple]:
    """Yield the path of each dict, list and value inside, but those of Albumentations."""
    items = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list | tuple):
        items = enumerate(value)
    for key, item in items:
        if not (key == "transforms" and "Albu" in value["type"]):
            yield (*where, key)
            yield from paths(item, (*where, key))


def at(tree: Any, path: tuple) -> Any:
    for key in path:
        tree = tree[key]
    return tree


def changed(tree: Any, path: tuple, value: Any) -> Any:
    """Return a copy with another value at a path."""
    if not path:
        return value
    tree = copy.copy(list(tree) if isinstance(tree, tuple) else tree)
    tree[path[0]] = changed(tree[path[0]], path[1:], value)
    return tree


def refusal(tree: dict) -> str | None:
    try:
        check_config(Config(tree))
    except InputError as error:
        return str(error)
    return None


def new_spots(leaf: str, *, before: set) -> tuple[dict, list[tuple]]:
    """Return a composed leaf, and the paths where earlier leaves are another."""
    tree = load_config(CONFIGS / f"{leaf}.py").to_dict()
    found = [path for path in paths(tree) if (path, repr(at(tree, path))) not in before]
    before |= {(path, repr(at(tree, path))) for path in found}
    return tree, found


@pytest.fixture(scope="module")
def spots() -> dict[str, tuple[dict, list[tuple]]]:
    before: set = set()
    return {leaf: new_spots(leaf, before=before) for leaf in VARIED}


@pytest.mark.parametrize("leaf", LEAVES)
def test_every_leaf_passes_before_and_after_it_is_composed(leaf: str) -> None:
    check_config(Config.fromfile(CONFIGS / f"{leaf}.py"))
    check_config(load_config(CONFIGS / f"{leaf}.py"))


def test_what_a_run_writes_down_passes(tmp_path: Path) -> None:
    load_config(CONFIGS / f"{VARIED[0]}.py").dump(tmp_path / "dumped.py")
    check_config(Config.fromfile(tmp_path / "dumped.py"))


def test_a_config_of_mmpretrain_alone_passes() -> None:
    check_config(Config(copy.deepcopy(PLAIN)))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (("model", "head", "num_clases"), "num_classes"),
        (("model", "head", "loss", "los_weight"), "loss_weight"),
        (("train_dataloader", "batchsize"), "batch_size"),
        (("train_dataloader", "dataset", "data_prefx"), "data_prefix"),
        (("custom_hooks", 0, "momentun"), "momentum"),
    ],
)
def test_a_config_of_mmpretrain_alone_is_checked_too(path: tuple, name: str) -> None:
    tree = copy.deepcopy(PLAIN)
    at(tree, path[:-1])[path[-1]] = 1
    assert f"did you mean {name}" in refusal(tree)


@pytest.mark.parametrize("leaf", VARIED)
def test_a_misspelt_option_is_refused_with_the_true_name(leaf: str, spots: dict) -> None:
    tree, found = spots[leaf]
    accepted = []
    for path in found:
        *owner, name = path
        if len(path) == 1 or not isinstance(name, str) or name == "type" or path[-2] in FREE:
            continue
        options = at(tree, tuple(owner))
        wrong = {key if key != name else f"{name}x": value for key, value in options.items()}
        message = refusal(changed(tree, tuple(owner), wrong))
        if message is None or name not in message.replace(f"{name}x", ""):
            accepted.append((path, message))
    assert not accepted


@pytest.mark.parametrize("leaf", VARIED)
def test_a_misspelt_type_is_refused_with_the_true_one(leaf: str, spots: dict) -> None:
    tree, found = spots[leaf]
    kinds = {path: at(tree, path) for path in found if path[-1] == "type"}
    for path, kind in kinds.items():
        message = refusal(changed(tree, path, f"{kind}x"))
        assert message.startswith(".".join(map(str, path))), path
        assert f"did you mean {kind}" in message, path


@pytest.mark.parametrize("leaf", VARIED)
def test_numbers_replaced_by_what_is_none_are_refused(leaf: str, spots: dict) -> None:
    tree, found = spots[leaf]
    for path in found:
        value = at(tree, path)
        if not isinstance(value, int | float) or isinstance(value, bool):
            continue
        for wrong in (math.nan, math.inf, "text"):
            message = refusal(changed(tree, path, wrong))
            assert message is not None, (path, wrong)
            assert str(path[0]) in message, (path, wrong, message)


@pytest.mark.parametrize("leaf", VARIED)
def test_other_values_are_refused_or_can_be_built(leaf: str, spots: dict) -> None:
    """No other error leaves the check, and what it lets pass is built as a run builds it."""
    tree, found = spots[leaf]
    for path in found:
        if path[0] in ("model", "train_dataloader", "val_dataloader", "test_dataloader"):
            continue  # composed of the blocks
        for other in (-1, 1.5, None, [1, 2, 3]):
            variant = changed(tree, path, other)
            if refusal(variant) is None:
                build_cheap_parts(path, variant)


def build_cheap_parts(path: tuple, tree: dict) -> None:
    """Build what was changed, where that is cheap."""
    if path[0] == "head":
        MODELS.build({**copy.deepcopy(tree["head"]), "in_channels": 8})
    if path[0] == "augmentations":
        for step in copy.deepcopy(tree["augmentations"]):
            TRANSFORMS.build(step)
    if path[:2] == ("optim_wrapper", "optimizer"):
        optimizer = copy.deepcopy(tree["optim_wrapper"]["optimizer"])
        OPTIMIZERS.build({**optimizer, "params": [nn.Parameter(torch.zeros(1))]})


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("data.drop_ages", (59, 55)),
        ("data.fold", 5),
        ("data.folds", 1),
        ("data.old_from", 200),
        ("data.split_seed", -1),
        ("preprocessing.size", (32.5, 24)),
        ("preprocessing.size", 24),
        ("preprocessing.mean", "x"),
        ("preprocessing.std", (0.0, 1.0, 1.0)),
        ("preprocessing.crop", (0.0, 1.0)),
        ("head", None),
        ("head.type", ""),
        ("head.dropout", 1.0),
        ("head.temperature", 0.0),
        ("features", 0),
        ("tta.views", ["hflop"]),
        ("device_augment", {"flip": 2}),
        ("backbone.arch", "b33"),
        ("randomness.seed", -1),
        ("randomness.seed", 2**32),
        ("train_cfg.max_epochs", 0),
        ("train_cfg.max_epochs", 1.5),
        ("train_cfg.val_interval", 0),
        ("train_dataloader.sampler", {"type": "BalancedSampler", "by": "height"}),
        ("train_dataloader.sampler", {"type": "PersonSampler", "photos": 1}),
        ("train_dataloader.batch_size", 0),
        ("train_dataloader.num_workers", -1),
        ("val_dataloader", None),
        ("optim_wrapper.optimizer.lr", -1),
        ("optim_wrapper.optimizer.betas", (0.9, 1.0)),
        ("optim_wrapper.clip_grad.max_norm", -1),
        ("optim_wrapper.constructor", "LayerwiseRate"),
        ("default_hooks.logger.priority", "ABOVE"),
        ("default_hooks.checkpoint.interval", 0),
        ("averaging", {"type": "EMAHook", "momentum": 2.0}),
        ("averaging", {"type": "EMAHook", "momentun": 0.1}),
        ("early_stopping", {"type": "Adam"}),
        ("custom_imports.imports", "foo.bar"),
        ("default_scope", "mmpretrian"),
        ("log_level", "LOUD"),
        ("env_cfg.mp_cfg.mp_start_method", "thread"),
        ("semi.ratio", 1.5),
        ("semi.annealing", "cubic"),
        ("semi.strong.1.num_policies", 0),
        ("semi.consistency.threshold", 1.0),
    ],
)
def test_each_refusal_names_the_option(option: str, value: Any, spots: dict) -> None:
    tree = copy.deepcopy(spots["effnet_b3_arcface_uda"][0])
    *owner, name = (int(word) if word.isdigit() else word for word in option.split("."))
    at(tree, tuple(owner))[name] = value
    message = refusal(tree)
    assert message is not None
    assert message.startswith(option), message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("block", "option"),
    [("preprocessing", "size"), ("tta", "views"), ("head", "type"), ("semi", "ratio")],
)
def test_an_option_that_must_be_given_is_missed(block: str, option: str, spots: dict) -> None:
    tree = copy.deepcopy(spots["effnet_b3_arcface_uda"][0])
    del tree[block][option]
    message = refusal(tree)
    assert message is not None
    assert message.startswith(block)
    assert option in message


def test_random_numbers_stay_as_they_were() -> None:
    cfg = load_config(CONFIGS / f"{VARIED[0]}.py")
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    former = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    check_config(cfg)
    assert torch.equal(former[0], torch.get_rng_state())
    assert former[1] == np.random.get_state()[1].tolist()  # noqa: NPY002


def test_modules_that_a_command_line_names_are_imported_or_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_parts.py").write_text("")
    leaf = CONFIGS / f"{VARIED[0]}.py"
    load_checked(leaf, {"custom_imports.imports": "own_parts"})
    assert "own_parts" in sys.modules
    for options in ({"custom_imports.imports": "gone.parts"}, {"custom_imports.import": "x"}):
        with pytest.raises(InputError, match=r"custom_imports.*(gone|import)"):
            load_checked(leaf, options)


@pytest.mark.parametrize(
    ("agreeing", "mixing"),
    [
        (("head",), ("batch_augments",)),
        (("model", "head"), ("model", "data_preprocessor", "batch_augments")),
        (("model", "head"), ("model", "train_cfg")),
    ],
    ids=["blocks", "names of MMEngine", "train_cfg of MMPretrain"],
)
def test_mixed_photos_are_refused_where_those_of_a_person_must_agree(agreeing, mixing) -> None:
    leaf = CONFIGS / "mobilenet_v2_decomposed.py"
    tree = (load_config(leaf) if len(mixing) > 1 else Config.fromfile(leaf)).to_dict()
    at(tree, agreeing)["agreement"] = 0.5
    assert refusal(tree) is None
    at(tree, mixing[:-1])[mixing[-1]] = {"augments": [{"type": "Mixup", "alpha": 1.0}]}
    message = refusal(tree)
    assert message.startswith("head.agreement must be 0 where batch_augments mixes photos")
    assert message.endswith("got 0.5")
    at(tree, agreeing)["agreement"] = 0.0
    assert refusal(tree) is None


def test_a_head_without_the_attributes_of_a_person_has_no_agreement() -> None:
    tree = load_config(CONFIGS / "mobilenet_v2_linear.py").to_dict()
    tree["head"]["agreement"] = 1.0
    assert refusal(tree).startswith("head.agreement: MaskLinearHead has no such option")


def test_parts_that_would_lose_the_soft_labels_of_a_teacher_are_refused() -> None:
    config = CONFIGS / "mobilenet_v2_decomposed_dldl.py"
    taught = {"data.teacher": "oof.parquet"}
    mixing = {"augments": [{"type": "Mixup", "alpha": 1.0}]}
    cfg = load_checked(config, {**taught, "batch_augments": {"_delete_": True, **mixing}})
    cfg.model.data_preprocessor = {"type": "ClsDataPreprocessor", "batch_augments": mixing}
    with pytest.raises(InputError, match=r"batch_augments and head\.age .* need FacePreprocessor"):
        check_config(cfg)
    cfg = load_checked(config, taught)
    cfg.train_dataloader.dataset.pipeline[-1].type = "PackInputs"
    with pytest.raises(InputError, match=r"data\.teacher needs PackPhoto as the last step"):
        check_config(cfg)
