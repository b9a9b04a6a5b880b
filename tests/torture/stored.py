"""Mutated files of ours: each gives the values that were written, or is refused by name."""

import hashlib
import pickle
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from mmmask.datasets.photo_store import PhotoStore
from mmmask.deploy.predictor import Predictor
from mmmask.evaluation.calibrated_tables import read_calibration
from mmmask.ledger.cards import best, read_card, session_of, status
from mmmask.ledger.epoch_answers import EpochAnswers
from mmmask.ledger.submissions import LOG, read_log
from mmmask.tables import LABEL_ISSUES, PREDICTIONS, probabilities, read_table
from tests.torture.bench import CONFIG, Bench
from tests.torture.child import in_child
from tests.torture.mutations import mutated
from tests.torture.trials import Promise, Trial

Reader = Callable[[Path], Any]


def promises(bench: Bench) -> list[Promise]:
    """Return what mutated stored files promise.

    Binary files promise their values. A digit of a text that became another digit is a file of
    another value, which nobody can tell; a text promises values that are allowed.
    """
    sealed: dict[str, tuple[Callable[[], Path], Reader]] = {
        "checkpoint": (lambda: bench.checkpoint, _checkpoint),
        "onnx": (lambda: bench.model, _answers),
        "parquet": (lambda: bench.predictions, _frame),
        "pack": (lambda: _pack(bench), _packed),
    }
    open_ones: dict[str, tuple[Callable[[], Path], Reader]] = {
        "csv": (lambda: bench.issues, lambda path: len(read_table(path, LABEL_ISSUES))),
        "card": (lambda: bench.run / "card.json", _card),
        "calibration": (lambda: _calibration(bench), lambda path: read_calibration(path) and None),
        "ledger": (lambda: _ledger(bench), lambda path: len(read_log(path.parent))),
        "epoch_answers": (lambda: _epoch_answers(bench), _scores),
    }
    return [
        *(
            Promise(
                "stored",
                name,
                f"a mutated {name} gives the values written or is refused by name",
                *_mutated(*each, same=True),
            )
            for name, each in sealed.items()
        ),
        *(
            Promise(
                "stored",
                name,
                f"a mutated {name} gives allowed values or is refused by name",
                *_mutated(*each, same=False),
            )
            for name, each in open_ones.items()
        ),
    ]


def _mutated(
    sound: Callable[[], Path], read: Reader, *, same: bool
) -> tuple[Trial, Callable[[], object]]:
    @cache
    def expected() -> tuple[Path, bytes, Any]:
        path = sound()
        said = in_child(lambda: read(path))
        assert said.fault is None and said.refusal is None, f"{path}: {said}"
        return path, path.read_bytes(), said.value

    def trial(random: np.random.Generator, folder: Path) -> str | None:
        original, data, value = expected()
        path = folder / original.name
        path.write_bytes(mutated(random, data))
        said = in_child(lambda: read(path))
        if said.fault is not None:
            return said.fault
        if said.refusal is not None:
            return None if path.name in said.refusal else f"no {path.name} in: {said.refusal}"
        return "other values, and not a word" if same and said.value != value else None

    return trial, expected


def _digest(value: object) -> str:
    return hashlib.sha256(pickle.dumps(value)).hexdigest()


def _checkpoint(path: Path) -> str:
    from mmmask.engine.checkpoints import load_checkpoint_file

    loaded = load_checkpoint_file(str(path))
    weights = {name: value.numpy().tobytes() for name, value in loaded["state_dict"].items()}
    return _digest((sorted(weights.items()), loaded["meta"].get("epoch")))


def _answers(path: Path) -> str:
    noise = np.random.default_rng(0)
    predictor = Predictor(path, threads=1)
    size = predictor.network.facts.preparation.geometry.size
    photos = noise.integers(0, 256, (2, *size, 3), dtype=np.uint8)
    return _digest(predictor.network(photos).probabilities.tobytes())


def _frame(path: Path) -> str:
    table = read_table(path, PREDICTIONS)
    return _digest((list(table["image"]), probabilities(table).tobytes()))


def _packed(path: Path) -> str:
    store = PhotoStore(
        path, None, data_root=None, made_by=None, kind="pack of photos", maker="tools/pack.py"
    )
    rows = [store[row].tobytes() for row in range(len(store))]
    return _digest((list(map(str, store.images)), rows))


def _card(path: Path) -> None:
    card = read_card(path.parent)
    status(card)
    best(card)
    session_of(card, Path("epoch_1.pth"))


def _scores(path: Path) -> None:
    answers = EpochAnswers.read(path.parent)
    if answers is not None:
        _ = answers.scores


def _pack(bench: Bench) -> Path:
    path = bench.folder / "photos.arrow"
    if not path.exists():
        options = ["--cfg-options", "preprocessing.size=(32,24)"]
        bench.done("pack.py", bench.data, "--out", path, "--config", CONFIG, *options)
    return path


def _calibration(bench: Bench) -> Path:
    path = bench.folder / "calibration.json"
    if not path.exists():
        table = bench.folder / "val.parquet"
        command = ["test.py", bench.config, bench.checkpoint, "--data-root", bench.data]
        bench.done(*command, "--split", "val", "--out", table)
        bench.done("calibrate.py", table, "--out", path)
    return path


def _ledger(bench: Bench) -> Path:
    """Return the log of a ledger with one submission."""
    path = bench.folder / "ledger" / LOG
    if not path.exists():
        command = ["ensemble.py", bench.predictions, bench.other_predictions]
        command += ["--data-root", bench.data]
        ends = ["--out", bench.folder / "e.parquet", "--submission", bench.folder / "s.csv"]
        bench.done(*command, *ends)
    return path


def _epoch_answers(bench: Bench) -> Path:
    (path,) = [each for each in bench.run.glob("*answers*") if each.is_file()]
    return path
