import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch

from mmmask.datasets.layout import read_train
from mmmask.datasets.mask_faces import MaskFaceDataset
from mmmask.engine.checkpoints import load_checkpoint_file
from mmmask.ledger.cards import best, read_card, status
from mmmask.ledger.provenance import fingerprint
from mmmask.ledger.staleness import stale_reasons

from .conftest import CONFIG, ROOT, SMALL, call, tool, train


def same(one: object, other: object) -> bool:
    """Whether two checkpoints hold the same values, bit for bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def test_a_run_leaves_checkpoints_split_config_and_log(run) -> None:
    names = {path.name for path in run.work_dir.iterdir()}
    assert {"epoch_2.pth", "last_checkpoint", "split.csv", "mobilenet_v2_arcface.py"} <= names
    assert run.best.name.startswith("best_macro_f1_epoch_")
    assert list(run.work_dir.glob("*/*.log"))
    split = pd.read_csv(run.work_dir / "split.csv")
    assert split["person"].is_unique
    assert set(split["part"]) == {"train", "val"}
    assert len(split) == 24


def test_the_card_tells_what_the_run_was_made_of_and_how_well_it_did(run) -> None:
    card = read_card(run.work_dir)
    (session,) = card["sessions"]
    assert (session["status"], session["epoch"], session["max_epochs"]) == ("finished", 2, 2)
    assert session["config_file"] == str(ROOT / CONFIG)
    assert session["overrides"]["preprocessing.size"] == [32, 24]
    assert session["overrides"]["pretrained"] is None
    assert not {"work_dir", "data.data_root"} & set(session["overrides"])
    text = card["configs"][session["config_hash"]]
    assert text == run.config.read_text()
    assert session["split"] == {"trained_on": "train", "folds": 5, "fold": 0, "split_seed": 0}
    split = pd.read_csv(run.work_dir / "split.csv")
    for part in ("train", "val"):
        dataset = MaskFaceDataset(str(run.data), split=part)
        assert session["data"][part]["fingerprint"] == fingerprint(dataset.samples)
        assert session["data"][part]["people"] == (split["part"] == part).sum()
    assert f"{best(card)['macro_f1']:.3f}" in run.output
    assert f"epoch_{best(card)['epoch']}.pth" in run.best.name


def test_the_console_tells_losses_score_and_time_for_each_epoch(run) -> None:
    lines = [line for line in run.output.splitlines() if line.startswith("epoch")]
    for epoch in (1, 2):
        (line,) = [line for line in lines if line.startswith(f"epoch {epoch}/2  train loss")]
        for word in ("val loss", "macro F1", "best", "photos/s", "ETA"):
            assert word in line


def test_the_checkpoint_holds_its_preprocessing(run) -> None:
    preprocessing = load_checkpoint_file(str(run.best))["meta"]["preprocessing"]
    assert tuple(preprocessing["size"]) == (32, 24)


def test_a_work_dir_that_holds_a_run_is_not_run_over(run, refused) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in run.work_dir.rglob("*"))
    line = refused(*train(run.work_dir, run.data))
    assert "holds a run already; continue it with --resume" in line
    assert sorted((path, path.stat().st_mtime_ns) for path in run.work_dir.rglob("*")) == before


def test_a_run_killed_inside_an_epoch_and_resumed_equals_one_that_was_not(drawn, tmp_path) -> None:
    """With dropout, augmentation, workers, EMA and early stopping on."""
    config = tmp_path / "averaged.py"
    config.write_text(
        f"_base_ = [{str(ROOT / CONFIG)!r}]\n"
        "custom_hooks = [\n"
        "    dict(type='EMAHook'),\n"
        "    dict(type='ResumableEarlyStoppingHook', patience=2),\n"
        "]\n"
    )
    settings = {"config": config, "options": ("train_cfg.max_epochs=3",)}
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    done = tool(*train(whole, drawn, **settings))
    assert done.returncode == 0, done.stderr

    name, *arguments = train(killed, drawn, **settings)
    process = subprocess.Popen(
        [sys.executable, f"tools/{name}", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not (killed / "last_checkpoint").exists():  # written after what it names
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (killed / "epoch_3.pth").exists()
    assert status(read_card(killed)) == "interrupted"

    resumed = tool(*train(killed, drawn, "--resume", **settings))
    assert resumed.returncode == 0, resumed.stderr
    one, other = (load_checkpoint_file(str(path / "epoch_3.pth")) for path in (whole, killed))
    for key in ("state_dict", "ema_state_dict", "optimizer", "param_schedulers"):
        assert same(one[key], other[key]), key
    assert {path.name for path in whole.glob("*.pth")} == {
        path.name for path in killed.glob("*.pth")
    }
    cards = read_card(whole), read_card(killed)
    assert cards[0]["validations"] == cards[1]["validations"]
    assert [one["status"] for one in cards[1]["sessions"]] == ["interrupted", "finished"]
    # The config is edited after the training: its checkpoint is stale.
    best_one = next(whole.glob("best_*.pth"))
    assert stale_reasons({"checkpoint": str(best_one)}) == []
    config.write_text(config.read_text() + "head = dict(margin=0.9)\n")
    (reason,) = stale_reasons({"checkpoint": str(best_one)})
    assert "averaged.py has changed since the training: head.margin was 0.2, is 0.9" in reason


def test_a_run_that_is_asked_to_end_says_so_and_leaves_whole_files(drawn, tmp_path) -> None:
    name, *arguments = train(tmp_path, drawn, options=("train_cfg.max_epochs=50",))
    process = subprocess.Popen(
        [sys.executable, f"tools/{name}", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not (tmp_path / "last_checkpoint").exists():
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGTERM)  # its data workers too, as a service does
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 128 + signal.SIGTERM
    assert said.splitlines()[-1] == "ended by SIGTERM" and "Traceback" not in said
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    card = read_card(tmp_path)
    assert card["sessions"][-1]["status"] == "interrupted"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    epoch = card["sessions"][-1]["epoch"]
    assert load_checkpoint_file(str(tmp_path / f"epoch_{epoch}.pth"))["meta"]["epoch"] == epoch


def test_resuming_a_copied_work_dir_leaves_the_original_as_it_was(run, tmp_path) -> None:
    original, copy = tmp_path / "original", tmp_path / "copy"
    options = ("default_hooks.checkpoint.max_keep_ckpts=2",)
    assert tool(*train(original, run.data, options=options)).returncode == 0
    (original / "last_checkpoint").write_text(str(original / "epoch_1.pth"))
    shutil.copytree(original, copy)
    (copy / "epoch_2.pth").unlink()
    before = {path: path.read_bytes() for path in original.rglob("*") if path.is_file()}
    done = tool(*train(copy, run.data, "--resume", options=options))
    assert done.returncode == 0, done.stderr
    assert (copy / "epoch_2.pth").exists()
    assert {path: path.read_bytes() for path in original.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("more", "difference"),
    [(["data.fold=1"], "data.fold was 0, is 1"), (["train_cfg.max_epochs=4"], "was 2, is 4")],
)
def test_resuming_something_else_is_refused_and_changes_no_file(
    run, tmp_path, refused, more, difference
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run.work_dir, copy)
    before = {path: path.read_bytes() for path in copy.iterdir() if path.is_file()}
    assert difference in refused(*train(copy, run.data, "--resume", options=tuple(more)))
    assert {path: path.read_bytes() for path in copy.iterdir() if path.is_file()} == before


def test_a_new_run_starts_from_the_weights_that_load_from_names(run, tmp_path) -> None:
    options = ("train_cfg.max_epochs=1", "optim_wrapper.optimizer.lr=0.0", f"load_from={run.best}")
    arguments = train(tmp_path / "new", run.data, options=options)
    done = tool(*arguments)
    assert done.returncode == 0, done.stderr
    paths = run.best, tmp_path / "new" / "epoch_1.pth"
    one, other = (load_checkpoint_file(path)["state_dict"] for path in paths)
    weights = [name for name in one if name.endswith("weight")]
    assert all(torch.equal(one[name], other[name]) for name in weights)


def test_training_on_everybody_has_no_validation(drawn, tmp_path, refused) -> None:
    work_dir = tmp_path / "all"
    options = ("train_cfg.max_epochs=1",)
    done = tool(*train(work_dir, drawn, "--split", "all", options=options))
    assert done.returncode == 0, done.stderr
    assert {path.name for path in work_dir.glob("*.pth")} == {"epoch_1.pth"}
    assert set(pd.read_csv(work_dir / "split.csv")["part"]) == {"train"}
    line = refused(
        "test.py", work_dir / Path(CONFIG).name, work_dir / "epoch_1.pth", "--split", "val"
    )
    assert "was trained on everybody, so nobody is held out" in line


def test_a_config_can_say_that_everybody_is_trained_on(drawn, tmp_path) -> None:
    work_dir = tmp_path / "everybody"
    config = "configs/mobilenet_v2_linear_everybody.py"
    arguments = train(work_dir, drawn, config=config)
    arguments.remove("val_dataloader.num_workers=1")  # it has no such dataloader
    done = tool(*arguments)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in work_dir.glob("*.pth")} == {"epoch_2.pth"}
    split = pd.read_csv(work_dir / "split.csv")
    assert set(split["part"]) == {"train"}
    assert len(split) == 24


@pytest.mark.parametrize("leaf", ["plateau", "stopped"])
def test_what_follows_a_score_is_refused_where_there_is_none(
    refused, drawn, tmp_path, leaf
) -> None:
    config = f"configs/mobilenet_v2_linear_{leaf}.py"
    line = refused(*train(tmp_path / "all", drawn, "--split", "all", config=config))
    assert "follows the score of a validation, and training on everybody has none" in line


def test_an_average_that_would_begin_after_the_end_is_refused(refused, drawn, tmp_path) -> None:
    line = refused(*train(tmp_path, drawn, config="configs/mobilenet_v2_linear_swa.py"))
    assert "averaging.begin_epoch must be at most train_cfg.max_epochs, 2; got 16" in line


def mixture(drawn: Path, folder: Path, base: str) -> Path:
    """Write a config that draws two tables of the drawn photos in stated shares."""
    samples = read_train(drawn).drop(columns=["source", "weight"])
    samples["image"] = [str(Path(drawn, image).resolve()) for image in samples["image"]]
    women = samples["gender"] == "female"
    tables = []
    for name, rows in (("women", samples[women]), ("men", samples[~women])):
        rows.to_csv(folder / f"{name}.csv", index=False)
        tables.append({"table": str(folder / f"{name}.csv"), "weight": 2.0})
    config = folder / "mixture.py"
    base = str(Path("configs", base).resolve())
    config.write_text(f"_base_ = {base!r}\ndata = dict(table={tables!r})\n")
    return config


def test_a_mixture_is_trained_and_other_samplers_refuse_it(refused, drawn, tmp_path) -> None:
    config = mixture(drawn, tmp_path, "mobilenet_v2_linear.py")
    work_dir = tmp_path / "mixture"
    done = tool(*train(work_dir, drawn, config=config))
    assert done.returncode == 0, done.stderr
    config = mixture(drawn, tmp_path, "mobilenet_v2_arcface_balanced.py")
    line = refused(*train(tmp_path / "refused", drawn, config=config))
    assert "sampler.type EpochSampler, which draws them in these shares; got BalancedSam" in line


def test_a_training_that_diverges_ends_with_one_line_and_status_1(drawn, tmp_path) -> None:
    work_dir = tmp_path / "diverged"
    rate = ("optim_wrapper.optimizer.lr=1e20", "optim_wrapper.clip_grad=None")
    done = tool(*train(work_dir, drawn, options=rate))
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: loss nan at step 2 (epoch 1), learning rate ")
    assert "Traceback" not in done.stderr
    assert list(work_dir.glob("*.pth")) == []
    listed = tool("runs.py", "list", tmp_path)
    assert "diverged (loss nan at step 2" in " ".join(listed.stdout.split())


def test_bfloat16_trains(drawn, tmp_path) -> None:
    options = ("train_cfg.max_epochs=1",)
    done = tool(*train(tmp_path / "amp", drawn, "--amp", options=options))
    assert done.returncode == 0, done.stderr
    assert "AutocastOptimWrapper" in (tmp_path / "amp" / Path(CONFIG).name).read_text()


def test_a_port_that_is_taken_is_refused_by_the_launch_script() -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = call("bash", "tools/dist_train.sh", CONFIG, "2", PATH=path, PORT=str(port))
    assert done.returncode == 2
    assert done.stderr == f"error: PORT must be a free port from 1 to 65535; got {port}\n"


@pytest.mark.slow
def test_two_processes_train_through_the_launch_script(drawn, tmp_path) -> None:
    work_dir = tmp_path / "two"
    name, config, *arguments = train(work_dir, drawn, options=("train_cfg.max_epochs=1",))
    done = subprocess.run(
        ["bash", "tools/dist_train.sh", config, "2", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1",
        },
    )
    assert name == "train.py"
    assert done.returncode == 0, done.stderr
    assert (work_dir / "epoch_1.pth").exists()
    (session,) = read_card(work_dir)["sessions"]
    assert (session["status"], session["machine"]["processes"]) == ("finished", 2)
    assert done.stdout.count("epoch 1/1  train loss") == 1


@pytest.mark.slow
def test_two_processes_train_with_sam_and_layers_that_thaw(drawn, tmp_path) -> None:
    config = tmp_path / "thawing.py"
    base = str(ROOT / "configs" / "mobilenet_v2_linear_sam.py")
    freezing = "dict(type='FreezingHook', share=0.5, epochs=1)"
    config.write_text(f"_base_ = [{base!r}]\nfreezing = {freezing}\n")
    _, *arguments = train(tmp_path / "two", drawn, config=config)
    done = subprocess.run(
        ["bash", "tools/dist_train.sh", str(arguments[0]), "2", *map(str, arguments[1:])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1",
        },
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "two" / "epoch_2.pth").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["configs/mobilenet_v2_linear_sam.py", "--amp"], "OptimWrapper; got SAMOptimWrapper"),
        (["configs/gone.py"], "configs/gone.py: no such config file"),
        ([CONFIG, "--data-root", "gone"], "gone/train/train.csv: no such file"),
        ([CONFIG, "--pretrained", "gone.pth"], "gone.pth"),
        ([CONFIG, "--corrections", "gone.csv"], "gone.csv: no such file"),
        ([CONFIG, "--resume", "gone.pth"], "gone.pth: no such checkpoint"),
        ([CONFIG, "--cfg-options", "optim_wrapper.optimizer.lrr=1"], "lrr"),
        ([CONFIG, "--cfg-options", "load_from=gone.pth"], "gone.pth"),
        (
            [CONFIG, "--pretrained", "a.pth", "--cfg-options", "load_from=b.pth"],
            "both name weights to start from, a.pth and b.pth",
        ),
        ([CONFIG, "--seed", "1", "--cfg-options", "randomness.seed=2"], "contradicts --seed 1"),
        ([CONFIG, "--cfg-options", "launcher=pytorch"], "contradicts --launcher none"),
        (
            [CONFIG, "--cfg-options", *SMALL, "train_dataloader.dataset.split=eval"],
            "must be one with labels; got 'eval'",
        ),
        ([CONFIG, "--work-dir", ROOT / CONFIG], "must be a folder to write in; it is a file"),
    ],
)
def test_input_at_fault_is_named_on_one_line(refused, drawn, tmp_path, arguments, sentence) -> None:
    rest = ["--work-dir", tmp_path / "new" / "w"]
    rest += [] if "--data-root" in arguments else ["--data-root", drawn]
    rest += [] if "--pretrained" in arguments else ["--pretrained", "none"]
    if "--cfg-options" not in arguments:
        rest += ["--cfg-options", *SMALL]
    assert sentence in refused("train.py", arguments[0], *rest, *arguments[1:])
    assert not (tmp_path / "new").exists()


def test_without_network_the_weights_to_place_are_named(refused, drawn, tmp_path) -> None:
    line = refused(
        *("train.py", CONFIG, "--data-root", drawn, "--work-dir", tmp_path / "w"),
        *("--pretrained", "http://127.0.0.1:9/weights-0123abcd.pth"),
        *("--cfg-options", *SMALL),
    )
    assert "weights-0123abcd.pth" in line
    assert "--pretrained" in line


def test_weights_of_another_network_are_refused(refused, drawn, tmp_path) -> None:
    path = tmp_path / "other.pth"
    torch.save({"state_dict": {"backbone.stem.weight": torch.zeros(3)}}, path)
    line = refused(
        *("train.py", CONFIG, "--data-root", drawn, "--work-dir", tmp_path / "w"),
        *("--pretrained", path, "--cfg-options", *SMALL),
    )
    assert "other.pth: does not fit the backbone" in line
