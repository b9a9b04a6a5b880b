"""A run is recorded, and what was recorded is read back."""

import json
import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import ROOT, tool, train

BLOCKS = ROOT / "configs" / "_base_" / "tracking"
WANTED = {"loss", "macro_f1"}


def run_with(block: str, drawn: Path, folder: Path, *more: str) -> Path:
    """Train two epochs with a block of tracking and return the work directory."""
    config = folder / "tracked.py"
    bases = [str(ROOT / "configs" / "mobilenet_v2_linear.py"), str(BLOCKS / f"{block}.py")]
    config.write_text("\n".join([f"_base_ = {bases}", *more]) + "\n")
    done = tool(*train(folder / "run", drawn, config=config))
    assert done.returncode == 0, done.stderr
    return folder / "run"


def assert_recorded(values: dict[str, list[float]]) -> None:
    for name in WANTED:
        (key,) = [key for key in values if key.split("/")[-1] == name]
        assert len(values[key]) == 2, f"{key} of two epochs"
        assert all(0 <= value < 100 for value in values[key])


def test_tensorboard_records_loss_and_score(drawn, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    work_dir = run_with("tensorboard", drawn, tmp_path)
    (file,) = work_dir.glob("*/vis_data/events.out.tfevents.*")
    events = EventAccumulator(str(file)).Reload()
    names = events.Tags()["scalars"]
    assert_recorded({name: [event.value for event in events.Scalars(name)] for name in names})


def test_wandb_records_loss_score_and_config_offline_and_no_source_files(drawn, tmp_path):
    pytest.importorskip("wandb")
    work_dir = run_with("wandb_offline", drawn, tmp_path)
    (file,) = work_dir.glob("*/vis_data/wandb/offline-run-*/run-*.wandb")
    values: dict[str, list[float]] = {}
    config, files = set(), []
    for record in wandb_records(file):
        for item in record.history.item:
            name = item.key or "/".join(item.nested_key)
            if not name.startswith("_"):
                values.setdefault(name, []).append(json.loads(item.value_json))
        config |= {item.key for item in record.run.config.update}
        config |= {item.key for item in record.config.update}
        files += [record.artifact.name] if record.HasField("artifact") else []
    assert_recorded(values)
    assert {"backbone", "optim_wrapper"} <= config
    assert not [name for name in files if name.startswith("source-")]


def wandb_records(file: Path) -> Iterator:
    """Yield the records of a file in LevelDB's log format, which W&B writes offline."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, place, part = file.read_bytes(), 7, b""  # after the file's own header
    while place + 7 <= len(content):
        if 32768 - place % 32768 < 7:  # no header fits in the rest of a block
            place += 32768 - place % 32768
            continue
        _, length, kind = struct.unpack("<IHB", content[place : place + 7])
        part += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield Record.FromString(part)
            part = b""


def test_mlflow_records_loss_score_and_config_in_sqlite(drawn, tmp_path):
    pytest.importorskip("mlflow")
    database = tmp_path / "mlflow.db"
    places = {"tracking_uri": f"sqlite:///{database}", "artifact_location": f"{tmp_path}/a"}
    run_with("mlflow", drawn, tmp_path, f"tracking = {places}")
    with sqlite3.connect(database) as connection:
        rows = connection.execute("select key, value from metrics order by step").fetchall()
        params = dict(connection.execute("select key, value from params").fetchall())
        (status,) = connection.execute("select status from runs").fetchone()
    values: dict[str, list[float]] = {}
    for name, value in rows:
        values.setdefault(name, []).append(value)
    assert_recorded(values)
    assert params["backbone.type"] == "MobileNetV2"
    assert status == "FINISHED"
    assert list((tmp_path / "a").glob("*/artifacts/config.py"))


def test_a_test_of_a_tracked_run_is_not_recorded(drawn, tmp_path):
    pytest.importorskip("tensorboard")
    work_dir = run_with("tensorboard", drawn, tmp_path)
    (best,) = work_dir.glob("best_*.pth")
    done = tool("test.py", work_dir / "tracked.py", best, "--split", "val")
    assert done.returncode == 0, done.stderr
    assert len(list(work_dir.rglob("events.out.tfevents.*"))) == 1
