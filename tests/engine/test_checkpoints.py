import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader
from tiny_engine import TinyNet, tiny_config, train
from torch import nn

from mmmask.engine import checkpoints
from mmmask.engine.checkpoints import load_checkpoint_file
from mmmask.errors import InputError, MissingFileError


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.fixture
def marker(tmp_path) -> Path:
    return tmp_path / "executed"


def hostile(kind: str, marker: Path) -> object:
    command = f"touch {marker}"
    getattr_of_globals = Calls(getattr, Calls(getattr, HistoryBuffer, "mean"), "__globals__")
    return {
        "os.system": Calls(os.system, command),
        "eval": Calls(eval, f"__import__('os').system({command!r})"),
        "raw getattr": Calls(getattr, HistoryBuffer, "__init__"),
        "getattr of globals": getattr_of_globals,
        "object array": np.array([Calls(os.system, command)], dtype=object),
    }[kind]


KINDS = ("os.system", "eval", "raw getattr", "getattr of globals", "object array")


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_hostile_pickle_is_refused_and_not_executed(tmp_path, marker, kind, legacy):
    file = tmp_path / "hostile.pth"
    content = {"state_dict": {}, "meta": hostile(kind, marker)}
    torch.save(content, file, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(InputError, match=r"hostile\.pth") as error:
        load_checkpoint_file(file)
    assert "\n" not in str(error.value)
    assert not marker.exists()
    if kind in ("os.system", "eval", "object array"):
        torch.load(file, weights_only=False)
        assert marker.exists(), "the test needs a file that does execute elsewhere"


def test_every_load_of_the_framework_refuses_a_hostile_pickle(tmp_path, marker):
    file = tmp_path / "hostile.pth"
    torch.save({"state_dict": {}, "meta": hostile("os.system", marker)}, file)
    with pytest.raises(InputError, match="hostile"):
        CheckpointLoader.load_checkpoint(str(file))
    for resume in (False, True):
        config = tiny_config(tmp_path / "run", load_from=str(file), resume=resume)
        with pytest.raises(InputError, match="hostile"):
            train(config, resume=str(file) if resume else False)
    pretrained = {"type": "Pretrained", "checkpoint": str(file)}
    with pytest.raises(InputError, match="hostile"):
        initialise(TinyNet(), pretrained)
    assert not marker.exists()


def initialise(model: nn.Module, init_cfg: dict) -> None:
    model.init_cfg = init_cfg
    model.init_weights()


def test_code_in_meta_config_is_dropped_so_that_resuming_does_not_execute_it(tmp_path, marker):
    code = f"status = __import__('os').system('touch {marker}')\n"
    train(tiny_config(tmp_path, epochs=1))
    file = tmp_path / "epoch_1.pth"
    content = load_checkpoint_file(file)
    content["meta"]["config"] = code
    torch.save(content, file)
    train(tiny_config(tmp_path, epochs=2), resume=str(file))
    assert (tmp_path / "epoch_2.pth").exists()
    assert not marker.exists()
    Config.fromstring(code, ".py")
    assert marker.exists(), "the test needs code that MMEngine would execute"


def test_no_config_text_that_an_inferencer_would_execute_is_loaded(tmp_path):
    train(tiny_config(tmp_path, epochs=1))
    stored = torch.load(tmp_path / "epoch_1.pth", weights_only=False)
    assert "TinyNet" in stored["meta"]["cfg"]
    assert "TinyNet" in stored["message_hub"]["runtime_info"]["cfg"]
    content = load_checkpoint_file(tmp_path / "epoch_1.pth")
    assert "cfg" not in content["meta"]
    assert "cfg" not in content["message_hub"]["runtime_info"]


def test_a_tar_file_is_refused(tmp_path, marker):
    file = tmp_path / "old.pth"
    member = tmp_path / "pickle"
    member.write_bytes(pickle.dumps(hostile("os.system", marker), protocol=2))
    with tarfile.open(file, "w") as tar:
        for name in ("storages", "tensors", "pickle"):
            tar.add(member, arcname=name)
    with pytest.raises(InputError, match=r"old\.pth.*state_dict"):
        load_checkpoint_file(file)
    assert not marker.exists()


@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning")
def test_a_torchscript_archive_is_refused(tmp_path):
    file = tmp_path / "script.pth"
    torch.jit.script(nn.Linear(2, 2)).save(str(file))
    with pytest.raises(InputError, match=r"script\.pth.*state_dict"):
        load_checkpoint_file(file)


def damaged(kind: str) -> bytes:
    return {"empty": b"", "text": b"<html>Not found</html>", "plain pickle": pickle.dumps({})}[kind]


@pytest.mark.parametrize("kind", ["empty", "text", "plain pickle"])
def test_what_is_no_checkpoint_is_refused_by_name(tmp_path, kind):
    file = tmp_path / "weights.pth"
    file.write_bytes(damaged(kind))
    with pytest.raises(InputError, match=r"weights\.pth is not loaded"):
        load_checkpoint_file(file)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
def test_a_truncated_checkpoint_is_refused_by_name(tmp_path, share, legacy):
    file = tmp_path / "weights.pth"
    weights = {"state_dict": nn.Linear(50, 50).state_dict()}
    torch.save(weights, file, _use_new_zipfile_serialization=not legacy)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(InputError, match=r"weights\.pth is not loaded"):
        load_checkpoint_file(file)


def test_a_file_of_something_else_than_a_dict_is_refused(tmp_path):
    torch.save(torch.zeros(3), tmp_path / "tensor.pth")
    with pytest.raises(InputError, match=r"tensor\.pth.*got Tensor"):
        load_checkpoint_file(tmp_path / "tensor.pth")


@pytest.mark.parametrize("name", ["absent.pth", "."])
def test_a_file_that_is_not_there_is_called_missing(tmp_path, name):
    with pytest.raises(MissingFileError, match="does not exist"):
        load_checkpoint_file(tmp_path / name)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_bare_weights_load_with_their_bits(tmp_path, legacy):
    weights = nn.Linear(3, 2).state_dict()
    torch.save(weights, tmp_path / "bare.pth", _use_new_zipfile_serialization=not legacy)
    loaded = load_checkpoint_file(tmp_path / "bare.pth")
    assert loaded.keys() == weights.keys()
    assert all(torch.equal(loaded[key], weights[key]) for key in weights)


def test_what_a_load_allows_does_not_leak(tmp_path):
    file = tmp_path / "history.pth"
    torch.save({"history": HistoryBuffer([1.0], [1])}, file)
    (tmp_path / "broken.pth").write_bytes(b"no")
    before = torch.serialization.get_safe_globals()
    load_checkpoint_file(file)
    with pytest.raises(InputError):
        load_checkpoint_file(tmp_path / "broken.pth")
    assert torch.serialization.get_safe_globals() == before
    with pytest.raises(pickle.UnpicklingError):
        torch.load(file, weights_only=True)


@pytest.mark.parametrize("prefix", ["torchvision://resnet18", "s3://b/x.pth", "a:s3://b/x.pth"])
def test_addresses_without_a_safe_loader_are_refused(prefix):
    with pytest.raises(InputError, match="must be a file, an http"):
        CheckpointLoader.load_checkpoint(prefix)


def test_an_address_is_fetched_and_loaded_safely(tmp_path, monkeypatch, marker):
    file = tmp_path / "fetched.pth"
    monkeypatch.setattr(checkpoints, "fetch", lambda url: file)
    torch.save({"state_dict": {"weight": torch.ones(2)}}, file)
    loaded = CheckpointLoader.load_checkpoint("https://example.org/fetched.pth")
    assert loaded["state_dict"]["weight"].tolist() == [1, 1]
    torch.save({"state_dict": hostile("os.system", marker)}, file)
    with pytest.raises(InputError, match="fetched"):
        CheckpointLoader.load_checkpoint("https://example.org/fetched.pth")
    assert not marker.exists()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"meta": []}, "meta must be a mapping; got list"),
        ({"meta": "x"}, "meta must be a mapping; got 'x'"),
        ({"meta": {"epoch": "x"}}, "meta.epoch must be a whole number of 64 bits; got 'x'"),
        ({"meta": {"epoch": 10**30}}, "meta.epoch must be a whole number of 64 bits; got one of"),
        ({"meta": {"data": {"old_from": "x"}}}, "meta.data.old_from must be a whole number"),
        ({"meta": {"preprocessing": {"size": torch.ones(2)}}}, "meta.preprocessing must hold num"),
        ({"state_dict": [torch.ones(2)]}, "state_dict must be a mapping; got list"),
        ({"state_dict": {1: torch.ones(2)}}, "names in state_dict must be text; got 1"),
        ({"state_dict": {"a": {"b": torch.ones(2)}}}, "state_dict.a must be a tensor; got dict"),
        ({"state_dict": {"a": np.ones(2)}}, "state_dict.a must be a tensor; got ndarray"),
        ({1: torch.ones(2)}, "names in it must be text; got 1"),
        ({"message_hub": 3}, "message_hub must be a mapping; got 3"),
        ({"message_hub": {"runtime_info": {"best_score": "x"}}}, "best_score must be a finite"),
        ({"optimizer": "x"}, "optimizer must be a mapping; got 'x'"),
    ],
)
def test_a_checkpoint_of_another_form_is_refused(tmp_path, content, sentence):
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(InputError, match=rf"x\.pth is not loaded: .*{sentence}"):
        load_checkpoint_file(tmp_path / "x.pth")


def test_parts_that_are_none_are_as_parts_that_are_not_there(tmp_path):
    weights = {"a": torch.ones(2)}
    content = {"meta": None, "state_dict": weights, "optimizer": None}
    torch.save(content, tmp_path / "x.pth")
    assert load_checkpoint_file(tmp_path / "x.pth").keys() == {"state_dict"}


def test_lists_without_end_and_names_that_no_file_has_are_refused(tmp_path):
    endless: list = []
    for _ in range(60):
        endless = [endless, endless]
    torch.save({"a": endless}, tmp_path / "x.pth")
    with pytest.raises(InputError, match=r"x\.pth is not loaded: it holds lists within lists"):
        CheckpointLoader.load_checkpoint(str(tmp_path / "x.pth"))
