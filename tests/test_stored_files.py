"""Whatever a stored file has become, its reader answers rightly or refuses it in one sentence.

``MMMASK_MUTATIONS`` sets how many random changes of each file are tried.
"""

import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mmmask.datasets.photo_store import PhotoStore, write_store
from mmmask.deploy.facts import with_sum
from mmmask.deploy.networks import OnnxNetwork
from mmmask.engine.checkpoints import load_checkpoint_file
from mmmask.errors import InputError, MissingFileError
from mmmask.evaluation.calibrated_tables import read_calibration
from mmmask.evaluation.calibration import fit_calibration
from mmmask.json_files import check_kinds, json_object, read_json
from mmmask.ledger.cards import read_card
from mmmask.tables import PREDICTIONS, read_predictions, write_table
from mmmask.workflows.runs import compare_runs, list_runs
from tests.fake_run import made_predictions, made_run, made_samples

MUTATIONS = int(os.environ.get("MMMASK_MUTATIONS", "40"))


def damaged(whole: bytes, random: np.random.Generator) -> bytes:
    """Return a file of which a stretch is zero, random or missing."""
    start, length = int(random.integers(len(whole))), int(random.choice([1, 30, 1000]))
    length = min(length, len(whole) - start)
    kinds = [bytes(length), random.bytes(length), b""]
    return whole[:start] + kinds[random.integers(3)] + whole[start + length :]


def only_sentences(path: Path, read: Callable[[Path], Any], *, seed: int = 0) -> int:
    """Damage a file, and return how often it was refused; else what is read must be the same."""
    whole, random, refused = path.read_bytes(), np.random.default_rng(seed), 0
    before = read(path)
    for _ in range(MUTATIONS):
        path.write_bytes(damaged(whole, random))
        try:
            with warnings.catch_warnings(action="ignore"):
                after = read(path)
        except InputError as error:
            assert "\n" not in str(error)
            assert path.name in str(error)
            refused += 1
        else:
            assert after == before, "a damaged file was read as if it were whole"
    path.write_bytes(whole)
    return refused


def flat(value: Any) -> Any:
    """Return what can be compared of tensors and tables."""
    if isinstance(value, torch.Tensor):
        return value.tolist()
    return {key: flat(one) for key, one in value.items()} if isinstance(value, dict) else value


def test_a_damaged_checkpoint_is_refused(tmp_path) -> None:
    path = tmp_path / "epoch_1.pth"
    content = {"meta": {"epoch": 1}, "state_dict": {"weight": torch.arange(5000.0)}}
    torch.save(content, path)
    assert only_sentences(path, lambda file: flat(load_checkpoint_file(file))) > MUTATIONS / 2


def test_a_checkpoint_that_was_saved_without_sums_is_read(tmp_path) -> None:
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"weight": torch.ones(3)}, tmp_path / "bare.pth")
    finally:
        torch.serialization.set_crc32_options(True)
    assert load_checkpoint_file(tmp_path / "bare.pth")["weight"].tolist() == [1, 1, 1]


def test_a_damaged_pack_is_never_learned_from(tmp_path) -> None:
    images = [f"{number}.jpg" for number in range(300)]
    for image in images:
        (tmp_path / image).touch()
    rows = np.random.default_rng(0).integers(0, 256, (300, 8, 6, 3), dtype=np.uint8)
    path, facts = tmp_path / "pack.arrow", {"data_root": tmp_path, "made_by": {}, "kind": "pack"}
    write_store(path, images, [rows], shape=(8, 6, 3), dtype=np.uint8, **facts)

    def read(file: Path) -> list:
        return PhotoStore(file, images, maker="a tool", **facts).array().tolist()

    assert only_sentences(path, read) > MUTATIONS / 2


def test_a_damaged_table_of_predictions_is_refused(tmp_path) -> None:
    path = tmp_path / "val.parquet"
    write_table(path, made_predictions(made_samples()), PREDICTIONS, {"split": "val"})
    assert only_sentences(path, lambda file: read_predictions(file).to_dict()) > MUTATIONS / 2


def test_a_damaged_model_is_refused(make_onnx) -> None:
    onnx = pytest.importorskip("onnx", reason="needs onnx (extra export)")
    path = make_onnx()
    path.write_bytes(with_sum(onnx.load(path), OnnxNetwork(path).facts))
    assert only_sentences(path, lambda file: OnnxNetwork(file).facts) > MUTATIONS / 2


#: What may stand in the place of any value of a JSON file.
STRANGE = (
    None, True, -1, 0, 10**18, 1.5, float("nan"), float("inf"), "", "x", "\ud800", [], [1], ["x"],
    [[]], {}, {"x": 1}, {"x": {"y": []}}, "a" * 300,
)  # fmt: skip
#: Texts that are no JSON object.
NO_OBJECT = (
    b"", b"\x00" * 500, b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b'{"a": 1' + b"0" * 5000,
    b'{"a": %s}' % (b"9" * 5000), b'{"a": 1e999}', b"[1]", b"3", b"null", b'{"a": "\\ud800"}',
)  # fmt: skip


def places(value: Any, path: tuple = ()) -> list[tuple]:
    """Return the way to each value inside a nest of dicts and lists."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, one in inner:
        found.append((*path, key))
        if isinstance(one, (dict, list)):
            found += places(one, (*path, key))
    return found


def mutations_of(content: Any, count: int) -> list[bytes]:
    """Return texts of JSON, each with one value replaced by a strange one, or without it."""
    random, found = np.random.default_rng(0), []
    listed = places(content)
    for number in range(count):
        other = json.loads(json.dumps(content))
        *way, last = listed[number % len(listed)]
        holder = other
        for key in way:
            holder = holder[key]
        choice = int(random.integers(len(STRANGE) + 1))
        if choice == len(STRANGE):
            del holder[last]
        else:
            holder[last] = STRANGE[choice]
        found.append(json.dumps(other).encode())
    return found


def test_a_strange_card_costs_its_own_row_alone(tmp_path, capsys) -> None:
    from mmmask.reports.run_tables import print_comparison, print_runs

    samples = made_samples()
    good, strange = (
        made_run(tmp_path / name, samples, tmp_path, scored=False) for name in ("good", "strange")
    )
    card = strange / "card.json"
    content = json.loads(card.read_text())
    for text in (*NO_OBJECT, *mutations_of(content, 4 * MUTATIONS)):
        card.write_bytes(text)
        runs = list_runs(tmp_path)
        assert len(runs) == 2, text
        assert runs.set_index("run")["status"][str(good)] == "finished"
        print_runs(runs, str(tmp_path))
        try:
            print_comparison(compare_runs(good, strange), str(good), str(strange))
        except InputError as error:
            assert "\n" not in str(error)
    capsys.readouterr()


def test_a_strange_calibration_is_refused_or_as_it_was(tmp_path) -> None:
    table = made_predictions(made_samples())
    probabilities = table.filter(regex=r"^p\d\d$").to_numpy()
    content = fit_calibration(probabilities, table["label"]).to_dict()
    path = tmp_path / "calibration.json"
    for text in (*NO_OBJECT, *mutations_of(content, MUTATIONS)):
        path.write_bytes(text)
        try:
            assert np.isfinite(read_calibration(path)(probabilities)).all()
        except InputError as error:
            assert "calibration.json: " in str(error)


@pytest.mark.parametrize("text", NO_OBJECT)
def test_what_is_no_json_object_is_refused(tmp_path, text) -> None:
    path = tmp_path / "facts.json"
    path.write_bytes(text)
    with pytest.raises(InputError, match=r"facts\.json: (not readable JSON|must be a JSON object)"):
        read_json(path)


def test_numbers_that_python_writes_and_json_has_not_are_read_where_they_may_be() -> None:
    assert json_object('{"a": [Infinity, 1e999]}', "it", infinite=True)["a"] == [np.inf, np.inf]
    with pytest.raises(InputError, match="it: not readable JSON: NaN is not a finite number"):
        json_object('{"a": NaN}', "it")


@pytest.mark.parametrize("name", ["x" * 300, "a\0b"])
@pytest.mark.parametrize(
    "read", [read_json, read_calibration, read_card, load_checkpoint_file, read_predictions]
)
def test_a_name_that_no_file_has_is_called_missing(name, read) -> None:
    with pytest.raises(MissingFileError) as error:
        read(name if read is not read_predictions else f"{name}.parquet")
    assert "\n" not in str(error.value)


def test_kinds_are_told_apart() -> None:
    content = {"a": {"b": 2**70, "c": [1, "x"], "d": True, "e": None}}
    for name, kind, words in (
        ("a.b", int, "a whole number of 64 bits; got one of 71 bits"),
        ("a.c", list[int], "a list, each item a whole number of 64 bits; got list"),
        ("a.d", float, "a finite number; got True"),
        ("a", list, "a list; got dict"),
    ):
        with pytest.raises(InputError, match=f"it: {name} must be {words}"):
            check_kinds(content, {name: kind}, "it")
    check_kinds(content, {"a": dict, "a.d": bool, "a.e": int, "x": dict, "x.y": str}, "it")
    assert "e" not in content["a"]
