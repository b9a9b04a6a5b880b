"""OpenMMLab's own programs on our configs, run as their users run them."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import mmengine
import mmpretrain
import numpy as np
import pandas as pd
import pytest
import torch
from mmengine.config import Config

from mmmask.config import load_config, parse_options
from mmmask.engine.checkpoints import load_checkpoint_file
from mmmask.evaluation.scores import macro_f1
from mmmask.tables import PREDICTIONS, probabilities, read_table

from .conftest import CONFIG, SMALL, Run, call, fork_server, tool, train

UPSTREAM = Path(mmpretrain.__file__).parent / ".mim" / "tools"
VAL = "test_dataloader.dataset.split=val"


def upstream(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run one of MMPretrain's programs in a process that has its imports already."""
    environment = {**os.environ, "MPLBACKEND": "agg"}
    return fork_server().run(str(UPSTREAM / name), [*map(str, arguments)], environment, timeout=300)


def ran(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    done = upstream(name, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def options(data: Path, *more: str) -> list[str]:
    return ["--cfg-options", f"data.data_root={data}", "pretrained=None", *SMALL, *more]


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint_file(path)["state_dict"]


def differing_weights(ours: Path, theirs: Path) -> list[str]:
    ours, theirs = weights(ours), weights(theirs)
    assert ours.keys() == theirs.keys()
    return [name for name in ours if not torch.equal(ours[name], theirs[name])]


def left_in(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture(scope="module")
def theirs(drawn, tmp_path_factory) -> Run:
    """A run of MMPretrain's train.py, which keeps the checkpoints of both epochs."""
    work_dir = tmp_path_factory.mktemp("upstream") / "run"
    keep = "default_hooks.checkpoint.max_keep_ckpts=2"
    done = ran("train.py", CONFIG, "--work-dir", work_dir, *options(drawn, keep))
    return Run(work_dir, drawn, done.stdout + done.stderr)


@pytest.fixture(scope="module")
def full(drawn, tmp_path_factory) -> Path:
    """A complete config, in a file."""
    folder = tmp_path_factory.mktemp("full")
    given = parse_options([*options(drawn)[1:], f"work_dir={folder / 'run'}"])
    load_config(CONFIG, given).dump(folder / "full.py")
    return folder / "full.py"


@pytest.fixture(scope="module")
def predictions(run, tmp_path_factory) -> Callable[..., pd.DataFrame]:
    """Return a function that gives the table of our test.py, for the validation or eval photos."""
    folder = tmp_path_factory.mktemp("predictions")

    def predictions(*arguments: str) -> pd.DataFrame:
        path = folder / f"{'_'.join(arguments)}.parquet"
        if not path.exists():
            done = tool("test.py", run.config, run.best, "--out", path, *arguments)
            assert done.returncode == 0, done.stderr
        return read_table(path, PREDICTIONS)

    return predictions


# training


def test_train_gives_the_weights_and_the_config_of_our_own(run, theirs) -> None:
    assert differing_weights(run.work_dir / "epoch_2.pth", theirs.work_dir / "epoch_2.pth") == []
    assert "Warning" not in theirs.output
    saved = [Config.fromfile(one.config).to_dict() for one in (run, theirs)]
    saved[0]["default_hooks"]["checkpoint"]["max_keep_ckpts"] = 2
    differing = {name for name in {*saved[0], *saved[1]} if saved[0].get(name) != saved[1][name]}
    assert differing == {"work_dir"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "changes"),
    [
        (["--amp"], ["--amp"]),
        (
            [
                *("--auto-scale-lr", "--no-pin-memory", "--no-persistent-workers"),
                *("--cfg-options", "model.head.margin=0.1"),
            ],
            ["auto_scale_lr.enable=True", "head.margin=0.1"],
        ),
    ],
    ids=["amp", "scaled"],
)
def test_from_a_saved_config_each_option_does_what_ours_does(
    run, theirs, tmp_path, given, changes
) -> None:
    ran("train.py", theirs.config, "--work-dir", tmp_path / "theirs", *given)
    flags = [change for change in changes if change.startswith("--")]
    rest = tuple(change for change in changes if not change.startswith("--"))
    done = tool(*train(tmp_path / "ours", run.data, *flags, options=rest))
    assert done.returncode == 0, done.stderr
    assert (
        differing_weights(tmp_path / "ours" / "epoch_2.pth", tmp_path / "theirs" / "epoch_2.pth")
        == []
    )
    assert differing_weights(run.work_dir / "epoch_2.pth", tmp_path / "theirs" / "epoch_2.pth")


@pytest.mark.parametrize("named", [False, True], ids=["auto", "path"])
def test_a_resumed_run_ends_with_the_same_weights_and_config(run, theirs, tmp_path, named) -> None:
    work_dir = tmp_path / "run"
    work_dir.mkdir()
    shutil.copy(theirs.work_dir / "epoch_1.pth", work_dir)
    shutil.copy(theirs.work_dir / "split.csv", work_dir)
    (work_dir / "last_checkpoint").write_text(str(work_dir / "epoch_1.pth"))
    checkpoint = [work_dir / "epoch_1.pth"] if named else []
    ran("train.py", theirs.config, "--work-dir", work_dir, "--resume", *checkpoint)
    assert differing_weights(run.work_dir / "epoch_2.pth", work_dir / "epoch_2.pth") == []
    saved = Config.fromfile(work_dir / theirs.config.name)
    assert (saved.resume, saved.load_from) == (False, None)


def test_without_validation_there_is_no_best_checkpoint_and_the_weights_are_the_same(
    run, theirs, tmp_path
) -> None:
    ran("train.py", theirs.config, "--work-dir", tmp_path / "run", "--no-validate")
    assert list((tmp_path / "run").glob("best_*")) == []
    differing = differing_weights(run.work_dir / "epoch_2.pth", tmp_path / "run" / "epoch_2.pth")
    assert differing == ["head.temperature"]  # a validation fits it


@pytest.mark.slow
def test_a_semi_supervised_config_trains_as_with_our_own(drawn, tmp_path) -> None:
    config, one = "configs/mobilenet_v2_linear_uda.py", "train_cfg.max_epochs=1"
    ran("train.py", config, "--work-dir", tmp_path / "theirs", *options(drawn, one))
    done = tool(*train(tmp_path / "ours", drawn, config=config, options=(one,)))
    assert done.returncode == 0, done.stderr
    assert (
        differing_weights(tmp_path / "ours" / "epoch_1.pth", tmp_path / "theirs" / "epoch_1.pth")
        == []
    )


@pytest.mark.slow
def test_two_processes_on_cpus_train_and_test_from_a_cold_start(run, tmp_path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    work_dir, pkl = tmp_path / "run", tmp_path / "out.pkl"
    done = call(
        *(*torchrun, UPSTREAM / "train.py", CONFIG, "--launcher", "pytorch"),
        *("--work-dir", work_dir, *options(run.data, "train_cfg.max_epochs=1")),
    )
    assert done.returncode == 0, done.stderr
    assert (work_dir / "epoch_1.pth").exists()
    config = work_dir / run.config.name
    test = (UPSTREAM / "test.py", config, work_dir / "epoch_1.pth", "--out", pkl)
    done = call(*torchrun, *test, "--launcher", "pytorch", "--cfg-options", VAL)
    assert done.returncode == 0, done.stderr
    both = mmengine.load(pkl)
    ran("test.py", *test[1:], "--cfg-options", VAL)
    alone = mmengine.load(pkl)
    assert sorted(photo["sample_idx"] for photo in both) == list(range(len(alone)))
    scores = {photo["sample_idx"]: photo["pred_score"] for photo in both}
    for photo in alone:
        torch.testing.assert_close(scores[photo["sample_idx"]], photo["pred_score"])


@pytest.mark.parametrize(
    ("in_use", "given", "sentence"),
    [
        (True, [], "holds a run already; continue it with --resume"),
        (True, ["head.loss.gama=2"], "head.loss.gama: WeightedCrossEntropyLoss has no such option"),
        (False, ["backbon.depth=1"], "did you mean backbone"),
        (
            False,
            ["optim_wrapper.clip_gradd=2"],
            "optim_wrapper.clip_gradd: AsyncOptimWrapper has no such option",
        ),
        (
            False,
            ["head.margin=0.1", "model.head.margin=0.3"],
            "model.head.margin is 0.3, and the block head makes it 0.1; state one of them",
        ),
    ],
)
def test_a_refused_run_ends_in_our_sentence_and_leaves_nothing(
    run, tmp_path, in_use, given, sentence
) -> None:
    work_dir = tmp_path / "run"
    if in_use:
        shutil.copytree(run.work_dir, work_dir)
    before = left_in(tmp_path)
    done = upstream("train.py", CONFIG, "--work-dir", work_dir, *options(run.data, *given))
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("mmmask.errors.InputError: "), done.stderr
    assert sentence in last
    assert left_in(tmp_path) == before


@pytest.mark.parametrize(
    ("cuda", "kind"), [(False, "AutocastOptimWrapper"), (True, "AmpOptimWrapper")]
)
def test_amp_stays_mmengines_on_a_gpu_and_becomes_autocast_without(
    full, monkeypatch, cuda, kind
) -> None:
    from mmmask.engine import runner_config

    monkeypatch.setattr(runner_config, "is_cuda_available", lambda: cuda)
    cfg = Config.fromfile(full)
    cfg.merge_from_dict({"optim_wrapper.type": "AmpOptimWrapper"})
    cfg.optim_wrapper.setdefault("loss_scale", "dynamic")
    # What train.py puts into each dataloader.
    injected = {"collate_fn": {"type": "default_collate"}, "persistent_workers": True}
    cfg.train_dataloader = {**injected, "pin_memory": True, **cfg.train_dataloader}
    cfg.train_dataloader.num_workers = 0
    runner_config.prepare_config(cfg)
    assert cfg.optim_wrapper.type == kind
    assert ("loss_scale" in cfg.optim_wrapper) == cuda
    assert cfg.train_dataloader.collate_fn.type == "stack_photos"
    assert "persistent_workers" not in cfg.train_dataloader
    assert ("pin_memory" in cfg.train_dataloader) == cuda


# test


def test_a_test_gives_our_probabilities_and_scores_and_shows_them(
    run, full, tmp_path, predictions
) -> None:
    out = {name: tmp_path / name for name in ("pred.pkl", "metrics.json")}
    ours = predictions("--split", "val")
    score = macro_f1(ours["label"].to_numpy(), probabilities(ours).argmax(axis=1))
    where = ["--work-dir", tmp_path / "test", "--out"]
    for config, *changes in ([full, "--cfg-options", VAL], [CONFIG, *options(run.data, VAL)]):
        done = ran("test.py", config, run.best, *where, out["pred.pkl"], *changes)
        assert f"macro_f1 {score:.3f}" in done.stdout
        photos = mmengine.load(out["pred.pkl"])
        assert [photo["sample_idx"] for photo in photos] == list(range(len(ours)))
        assert [int(photo["gt_label"]) for photo in photos] == ours["label"].tolist()
        scores = torch.stack([photo["pred_score"] for photo in photos]).numpy()
        assert np.array_equal(scores, probabilities(ours))
    where = [*where, out["metrics.json"], "--out-item", "metrics"]
    ran("test.py", full, run.best, *where, "--cfg-options", VAL)
    assert json.loads(out["metrics.json"].read_text())["macro_f1"] == pytest.approx(score)


@pytest.mark.parametrize(
    ("flags", "changes"),
    [(["--tta"], []), ([], ["tta.enabled=True"])],
    ids=["flag", "block"],
)
@pytest.mark.parametrize("single", [False, True], ids=["batches", "single photos"])
def test_views_are_averaged_as_by_our_own(
    run, full, tmp_path, predictions, flags, changes, single
) -> None:
    if single:
        changes = [*changes, "test_dataloader.collate_fn.type=default_collate"]
    pkl = tmp_path / "out.pkl"
    where = ["--work-dir", tmp_path / "test", "--out", pkl]
    ran("test.py", full, run.best, *where, *flags, "--cfg-options", VAL, *changes)
    photos = mmengine.load(pkl)
    scores = torch.stack([photo["pred_score"] for photo in photos]).numpy()
    assert np.array_equal(scores, probabilities(predictions("--split", "val", "--tta")))
    assert [int(photo["pred_label"]) for photo in photos] == scores.argmax(axis=1).tolist()


def test_the_analysis_tools_read_what_a_test_wrote(run, full, tmp_path, predictions) -> None:
    pkl, matrix = tmp_path / "out.pkl", tmp_path / "matrix.pkl"
    ours = predictions("--split", "val")
    right = probabilities(ours).argmax(axis=1) == ours["label"]
    ran("test.py", full, run.best, "--work-dir", tmp_path / "t", "--out", pkl, "--cfg-options", VAL)
    text = ran("analysis_tools/eval_metric.py", pkl, "--metric", "type=Accuracy").stdout
    assert float(text.rsplit(":")[-1].strip(" }\n")) == pytest.approx(100 * right.mean())
    ran("analysis_tools/confusion_matrix.py", full, pkl, "--out", matrix)
    assert mmengine.load(matrix).trace() == right.sum()
    single = "test_dataloader.collate_fn.type=default_collate"
    arguments = ["--out", matrix, "--show-path", tmp_path / "m.png", "--cfg-options", VAL, single]
    ran("analysis_tools/confusion_matrix.py", full, run.best, *arguments)
    assert mmengine.load(matrix).trace() == right.sum()
    out = tmp_path / "analysed"
    ran("analysis_tools/analyze_results.py", full, pkl, "--out-dir", out, "--cfg-options", VAL)
    assert len(list((out / "fail").glob("*.png"))) > 0


# programs that read a complete config without a Runner


@pytest.mark.parametrize(
    ("name", "arguments", "shown"),
    [
        ("analysis_tools/get_flops.py", ["--shape", "32", "24"], "Flops: 5.733M"),
        ("misc/print_config.py", [], "type='MaskFaceDataset'"),
        (
            "visualization/vis_scheduler.py",
            ["--not-show", "--save-path", "OUT/rates.png"],
            "graph is saved",
        ),
        (
            "visualization/browse_dataset.py",
            ["--not-show", "-n", "2", "-m", "original", "-o", "OUT"],
            "2/2",
        ),
    ],
    ids=lambda value: Path(value).stem if isinstance(value, str) else None,
)
def test_a_program_reads_the_complete_config(full, tmp_path, name, arguments, shown) -> None:
    arguments = [argument.replace("OUT", str(tmp_path)) for argument in arguments]
    assert shown in ran(name, full, *arguments).stdout


def test_the_log_of_a_run_is_analysed(theirs, tmp_path) -> None:
    (log,) = theirs.work_dir.glob("*/vis_data/scalars.json")
    curve = tmp_path / "loss.png"
    ran("analysis_tools/analyze_logs.py", "plot_curve", log, "--out", curve)
    assert curve.exists()


def test_the_inferencer_answers_as_our_test_does(run, full, predictions) -> None:
    from mmpretrain import ImageClassificationInferencer, init_model

    ours = predictions("--split", "eval")
    files = [str(run.data / image) for image in ours["image"]][:3]
    expected = probabilities(ours)[:3]
    infer = ImageClassificationInferencer(model=str(full), pretrained=str(run.best))
    array = cv2.imread(files[0])
    for inputs in (files[0], array, files, [array]):
        answers = infer(inputs, batch_size=2)
        scores = np.stack([answer["pred_scores"] for answer in answers])
        np.testing.assert_allclose(scores, expected[: len(scores)], atol=1e-6)
        assert answers[0]["pred_class"] == infer.classes[expected[0].argmax()]
    model = init_model(str(full), str(run.best), device="cpu")
    assert len(model._dataset_meta["classes"]) == 18


def test_registries_build_the_parts_of_the_complete_config(full) -> None:
    from mmpretrain.registry import DATASETS, MODELS

    cfg = Config.fromfile(full)
    assert {"tta_model", "tta_pipeline", "auto_scale_lr", "default_scope", "visualizer"} <= {*cfg}
    model = MODELS.build(cfg.model).eval()
    photo = DATASETS.build(cfg.test_dataloader.dataset)[0]
    with torch.no_grad():
        (answer,) = model.test_step({"inputs": [photo["inputs"]], "data_samples": None})
    assert answer.pred_score.shape == (18,)
