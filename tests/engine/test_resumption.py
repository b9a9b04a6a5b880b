"""Which checkpoints a run goes on from, and which are refused."""

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from tiny_engine import differences, state, tiny_config, train

import mmmask.register  # noqa: F401
from mmmask.blocks import plain
from mmmask.config import load_config
from mmmask.datasets.mask_faces import MaskFaceDataset
from mmmask.drawing.drawn_faces import draw_dataset
from mmmask.engine.checkpoints import load_checkpoint_file
from mmmask.engine.resumption import RUN_FACTS, check_resumable, run_facts
from mmmask.errors import InputError
from mmmask.ledger.cards import read_card
from mmmask.ledger.config_differences import DATA_FILES
from mmmask.tables import PREDICTIONS, predictions_table, write_table

CONFIG = Path(__file__).parents[2] / "configs" / "mobilenet_v2_linear.py"


def config(root: Path, work_dir: Path, **options: Any) -> Config:
    cfg = load_config(
        CONFIG,
        {
            "data.data_root": str(root),
            "preprocessing.size": (32, 24),
            "pretrained": None,
            "backbone.widen_factor": 0.25,
            "train_cfg.max_epochs": 2,
            "train_dataloader.batch_size": 16,
            "train_dataloader.num_workers": 0,
            "val_dataloader.num_workers": 0,
            "default_hooks.checkpoint.max_keep_ckpts": 2,
            **options,
        },
    )
    cfg.work_dir = str(work_dir)
    return cfg


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    data = tmp_path_factory.mktemp("drawn") / "data"
    draw_dataset(data, people=10, eval_people=1, seed=1, size=(32, 32))
    return data


@pytest.fixture(scope="module")
def whole(root, tmp_path_factory) -> Path:
    """A run of two epochs."""
    work_dir = tmp_path_factory.mktemp("whole") / "run"
    train(config(root, work_dir))
    return work_dir


@pytest.fixture
def run(whole, tmp_path) -> Path:
    """The same run, moved to another place, as if it had been killed in its second epoch."""
    copy = tmp_path / "run"
    shutil.copytree(whole, copy)
    for path in (*copy.glob("best_*epoch_2.pth"), copy / "epoch_2.pth"):
        path.unlink(missing_ok=True)
    pointer = copy / "last_checkpoint"
    pointer.write_text(pointer.read_text().replace("epoch_2", "epoch_1"))
    return copy


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


CHANGED = {
    "data.folds": 4,
    "data.fold": 1,
    "data.split_seed": 1,
    "data.old_from": 58,
    "data.drop_ages": [1, 2],
    "randomness.seed": 1,
    "preprocessing.size": [24, 24],
    "augmentations.0.prob": 0.25,
    "head.dropout": 0.25,
    "train_cfg.max_epochs": 3,
    "train_cfg.val_interval": 2,
    "train_dataloader.batch_size": 8,
    "optim_wrapper.type": "OptimWrapper",
    "optim_wrapper.accumulative_counts": 2,
    "optim_wrapper.clip_grad.max_norm": 1.5,
    "optim_wrapper.optimizer.lr": 0.5,
    "optim_wrapper.optimizer.weight_decay": 0.5,
    "param_scheduler.1.eta_min_ratio": 0.5,
    "averaging.type": "EMAHook",
    "early_stopping.type": "ResumableEarlyStoppingHook",
    "default_hooks.checkpoint.save_best": "accuracy",
}
#: As MMPretrain's tools/train.py changes a composed config.
CHANGED_COMPOSED = {
    "model.head.dropout": 0.25,
    "model.backbone.frozen_stages": 1,
    "train_dataloader.dataset.fold": 1,
    "train_dataloader.dataset.split_seed": 1,
    "train_dataloader.dataset.pipeline.2.prob": 0.25,
}


@pytest.mark.parametrize("name", [*CHANGED, *CHANGED_COMPOSED])
def test_a_run_with_another_option_is_refused_and_left_as_it_was(root, run, name) -> None:
    asked = config(root, run, **({name: CHANGED[name]} if name in CHANGED else {}))
    if name in CHANGED_COMPOSED:
        asked.merge_from_dict({name: CHANGED_COMPOSED[name]})
    before = contents(run)
    with pytest.raises(InputError) as error:
        train(asked, resume=True)
    was, now = (value_in(cfg, name) for cfg in (config(root, run), asked))
    assert f" {name} was {was}, is {now}" in str(error.value)
    assert f"--cfg-options load_from={run / 'epoch_1.pth'}" in str(error.value)
    assert contents(run) == before


def value_in(cfg: Config, name: str) -> Any:
    """Return a value of a config by its dotted name, None where it has none."""
    value: Any = plain(cfg.to_dict())
    for key in name.split("."):
        value = value[int(key)] if isinstance(value, list) else (value or {}).get(key)
    return value


@pytest.mark.parametrize("name", sorted({*DATA_FILES} - {"data.eval_table", "data.teacher"}))
def test_a_file_that_changes_the_samples_is_named(root, run, tmp_path, name) -> None:
    sample = MaskFaceDataset(str(root), split="train").samples.iloc[0]
    text = {
        "data.corrections": correction(sample, _OTHER[sample.gender]),
        "data.drop": f"image\n{sample.image}\n",
        "data.samples": "image,person,label\na.jpg,x,3\n",
        "data.table": MaskFaceDataset(str(root), split="all").samples.iloc[7:].to_csv(index=False),
    }[name]
    file = tmp_path / "file.csv"
    file.write_text(text)
    value = [str(file)] if name == "data.samples" else str(file)
    with pytest.raises(
        InputError, match=rf"{name} was None, is \['file.csv \(\w+\)'\]; .*training set"
    ):
        train(config(root, run, **{name: value}), resume=True)


def test_another_teacher_is_refused_and_a_renamed_one_is_not(root, tmp_path) -> None:
    images = MaskFaceDataset(str(root), split="train").samples[["image"]]
    for seed in (0, 1):
        said = np.random.default_rng(seed).dirichlet(np.ones(18), len(images))
        table = predictions_table(images, said)
        write_table(tmp_path / f"{seed}.parquet", table, PREDICTIONS, {"split": "oof"})
    first, other = (str(tmp_path / f"{seed}.parquet") for seed in (0, 1))
    run = tmp_path / "run"
    killed = {"point": "inside the epoch", "epoch": 2}
    train(config(root, run, **{"data.teacher": first}), kill=killed)
    assert read_card(run)["sessions"][-1]["data"]["train"]["soft_labels"]
    with pytest.raises(
        InputError, match=r"data\.teacher was \['0\.parquet .* is \['1\.parquet .*training set was"
    ):
        train(config(root, run, **{"data.teacher": [other]}), resume=True)
    with pytest.raises(InputError, match=r"data\.teacher_share was None, is 0\.5"):
        train(config(root, run, **{"data.teacher": first, "data.teacher_share": 0.5}), resume=True)
    moved = (tmp_path / "0.parquet").rename(tmp_path / "moved.parquet")
    train(config(root, run, **{"data.teacher": [str(moved)]}), resume=True)
    assert (run / "epoch_2.pth").is_file()


_OTHER = {"female": "male", "male": "female"}


def correction(sample: Any, gender: str) -> str:
    return f"person,photo,field,value,reason\n{sample.person},*,gender,{gender},seen\n"


def test_what_no_weight_depends_on_is_let_pass(root, whole, run, tmp_path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(root, moved)
    sample = MaskFaceDataset(str(root), split="train").samples.iloc[0]
    (tmp_path / "known.csv").write_text(correction(sample, sample.gender))
    options = {
        "train_dataloader.num_workers": 1,
        "val_dataloader.batch_size": 3,
        "default_hooks.logger.interval": 1,
        "default_hooks.checkpoint.max_keep_ckpts": 1,
        "log_level": "WARNING",
        "pretrained": "gone.pth",
        "data.corrections": str(tmp_path / "known.csv"),
    }
    asked = config(moved, run, **options)
    asked.model.backbone.pop("init_cfg")
    train(asked, resume=True)
    for key in ("state_dict", "optimizer", "param_schedulers"):
        one, other = (state(folder / "epoch_2.pth")[key] for folder in (whole, run))
        assert not differences(one, other), key


def test_every_fact_of_a_checkpoint_is_compared(root, run) -> None:
    runner = train(config(root, run), resume=True, kill={"point": "inside the epoch", "epoch": 2})
    content, now = load_checkpoint_file(run / "epoch_1.pth"), run_facts(runner)
    facts = content["meta"][RUN_FACTS]
    assert facts == now
    for name in facts.keys() - set(DATA_FILES):  # these count where samples change
        other = {**content["meta"], RUN_FACTS: {**facts, name: "another"}}
        with pytest.raises(InputError, match=re.escape(f"{name} was another, is {now[name]}")):
            check_resumable(runner, {**content, "meta": other}, now)


ENDLESS = [{"type": "MultiStepLR", "milestones": [1, 3], "by_epoch": True, "end": 99}]


@pytest.mark.parametrize(
    ("schedule", "epochs", "extends"),
    [
        (None, 4, True),
        (ENDLESS, 4, True),
        (ENDLESS, 1, False),
        ([{**ENDLESS[0], "end": 2}], 4, True),
    ]
    + [
        ([{"type": kind, "by_epoch": True}], 4, False)
        for kind in ("ConstantLR", "CosineAnnealingLR")
    ],
)
def test_more_epochs_are_trained_only_where_the_schedule_does_not_depend_on_the_end(
    tmp_path, schedule, epochs, extends
) -> None:
    def of(folder: str, epochs: int) -> Config:
        cfg = tiny_config(
            tmp_path / folder, epochs=epochs, param_scheduler=schedule, preprocessing={}
        )
        cfg.custom_hooks = [*cfg.custom_hooks, {"type": "CheckpointFactsHook"}]
        return cfg

    train(of("longer", 2))
    if not extends:
        with pytest.raises(InputError, match=f"train_cfg.max_epochs was 2, is {epochs}; resume"):
            train(of("longer", epochs), resume=True)
        return
    train(of("longer", epochs), resume=True)
    train(of("whole", epochs))
    one, other = (state(tmp_path / name / f"epoch_{epochs}.pth") for name in ("whole", "longer"))
    assert not differences(one, other)


@pytest.mark.parametrize(
    ("lacks", "sentence"),
    [
        (("optimizer",), "holds no optimizer state, as no best_*.pth does"),
        (("meta",), "does not say what its run was made of"),
        (("meta", "message_hub", "optimizer"), "does not say what its run was made of"),
    ],
)
def test_a_file_that_a_run_cannot_go_on_from_is_refused(root, run, lacks, sentence) -> None:
    file = run / "epoch_1.pth"
    content = load_checkpoint_file(file)
    torch.save({key: value for key, value in content.items() if key not in lacks}, file)
    before = contents(run)
    with pytest.raises(InputError, match=re.escape(f"{file}: {sentence}")) as error:
        train(config(root, run), resume=True)
    assert f"load_from={file}" in str(error.value)
    assert contents(run) == before


def with_other(content: dict, way: str, value: object) -> dict:
    """Return a checkpoint with another value, or without it where that is Ellipsis."""
    *places, last = (int(key) if key.isdigit() else key for key in way.split("/"))
    holder = content
    for key in places:
        holder = holder[key]
    if value is ...:
        del holder[last]
    else:
        holder[last] = value
    return content


@pytest.mark.parametrize(
    ("way", "value", "sentence"),
    [
        ("meta/epoch", -1, "meta.epoch must be from 0 to 2; got -1"),
        ("meta/epoch", ..., "its training state is damaged"),
        ("meta/iter", 3, "meta.iter must be "),
        ("meta/seed", 7, "meta.seed must be 0; got 7"),
        ("message_hub", {}, "its training state is damaged"),
        (
            "message_hub/runtime_info/best_ckpt_ids",
            ["x"],
            "best_ckpt_ids must be a list, each item",
        ),
        (
            "optimizer/param_groups/0/lr",
            "x",
            "optimizer.param_groups.0.lr must be a number; got 'x'",
        ),
        ("optimizer/param_groups", [], "optimizer.param_groups must be list of 1; got 0"),
        ("optimizer/state", [1], "optimizer.state must be "),
        ("optimizer/state", {}, "optimizer.state must have the moments of parameters; got none"),
        ("optimizer/state/0", {"step": 1}, "must have the same moments as other parameters"),
        ("optimizer/state/0/exp_avg", torch.ones(7), "exp_avg must have the shape of its"),
        ("param_schedulers", [], "param_schedulers must be list of 2; got 0"),
        (
            "param_schedulers/0/last_step",
            "x",
            "param_schedulers.0.last_step must be a number; got 'x'",
        ),
        ("param_schedulers/0", None, "param_schedulers.0 must be dict; got None"),
    ],
)
def test_a_training_state_of_another_form_is_refused_and_left(
    root, run, way, value, sentence
) -> None:
    file = run / "epoch_1.pth"
    torch.save(with_other(load_checkpoint_file(file), way, value), file)
    before = contents(run)
    with pytest.raises(InputError, match=re.escape(sentence)) as error:
        train(config(root, run), resume=True)
    assert str(file) in str(error.value)
    assert contents(run) == before


def test_weights_that_a_checkpoint_lacks_do_not_become_random(root, run) -> None:
    file = run / "epoch_1.pth"
    content = load_checkpoint_file(file)
    name = next(name for name in content["state_dict"] if name.endswith("weight"))
    weights = content["state_dict"].pop(name)
    torch.save(content, file)
    with pytest.raises(InputError, match=re.escape(f"state_dict lacks {name}")):
        train(config(root, run), resume=True)
    content["state_dict"][name] = weights.long()
    torch.save(content, file)
    with pytest.raises(InputError, match=re.escape(f"{name} must be of torch.float32 or alike")):
        train(config(root, run), resume=True)


def test_what_a_checkpoint_of_an_older_version_holds_is_compared_and_the_rest_told(
    root, run
) -> None:
    content = load_checkpoint_file(run / "epoch_1.pth")
    del content["meta"][RUN_FACTS]
    torch.save(content, run / "epoch_1.pth")
    for name in ("data.fold", "randomness.seed", "train_cfg.max_epochs", "preprocessing.size"):
        with pytest.raises(InputError, match=f"{name} was .*, is "):
            train(config(root, run, **{name: CHANGED[name]}), resume=True)
    train(config(root, run), resume=True)
    assert (run / "epoch_2.pth").is_file()
    log = max(run.glob("*/*.log"), key=lambda path: path.stat().st_mtime_ns).read_text()
    assert "epoch_1.pth: written by an older version" in log
