"""What a tool said and left: is it a result, a sentence, and the same as that of another call?"""

import contextlib
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa

Done = subprocess.CompletedProcess[str]


def leftovers(folder: Path) -> list[str]:
    """Return what a write that was not finished leaves: hidden files and folders, but no locks."""
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob(".*")
        if not path.name.endswith(".lock")
    )


def last_words(done: Done) -> str:
    """Return the end of what a tool said, for a report of what broke."""
    return f"status {done.returncode}: {(done.stderr or done.stdout).strip()[-1500:]}"


def refusal_fault(done: Done) -> str | None:
    """Return why the end of a tool is neither a result nor one sentence with status 2."""
    if "Traceback" in done.stderr:
        return f"a traceback, {last_words(done)}"
    if done.returncode == 0:
        return None
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    if done.returncode != 2 or len(errors) != 1:
        return f"neither a result nor one sentence, {last_words(done)}"
    return None


#: Folders of logs, one per start of a training; they differ between runs that are otherwise equal.
_LOGS = re.compile(r"\d{8}_\d{6}")


def content(folder: Path) -> dict[str, Path]:
    """Return name -> file below a folder; no logs, no locks."""
    return {
        name: path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not _LOGS.search(name := path.relative_to(folder).as_posix())
        and path.suffix not in (".lock", ".log")
    }


def differences(expected: Path, got: Path) -> str | None:
    """Return in what the results of two equal commands differ, in two folders; None if in nothing.

    Weights and tables are compared bit for bit; of cards, that they say finished.
    """
    one, other = content(expected), content(got)
    if one.keys() != other.keys():
        missing, more = sorted(one.keys() - other.keys()), sorted(other.keys() - one.keys())
        return f"missing files {missing}, further files {more}"
    for name in one:
        compare = COMPARED.get(Path(name).suffix)
        if Path(name).name == "card.json":
            compare = same_card
        if compare is not None and not compare(one[name], other[name]):
            return f"{name} differs from that of the undisturbed run"
    return None


def same_card(one: Path, other: Path) -> bool:
    """Whether a card says finished, and the same scores."""
    cards = [json.loads(path.read_text()) for path in (one, other)]
    said = [card["sessions"][-1]["status"] for card in cards]
    return said[0] == said[1] == "finished" and cards[0]["validations"] == cards[1]["validations"]


def same_checkpoint(one: Path, other: Path) -> bool:
    """Whether two checkpoints hold the same weights and optimizer, bit for bit."""
    from mmmask.engine.checkpoints import load_checkpoint_file

    pair = [load_checkpoint_file(str(path)) for path in (one, other)]
    keys = ("state_dict", "ema_state_dict", "optimizer", "param_schedulers")
    return all(same(pair[0].get(key), pair[1].get(key)) for key in keys)


def same(one: object, other: object) -> bool:
    """Whether two nested values of tensors are equal, bit for bit."""
    import torch

    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def same_csv(one: Path, other: Path) -> bool:
    """Whether two csv files hold the same, but for columns of time and folders of files."""
    pair = [pd.read_csv(path).map(_name) for path in (one, other)]
    timed = [name for name in pair[0] if re.search("second|time|start|minutes|duration", name)]
    return pair[0].drop(columns=timed).equals(pair[1].drop(columns=timed, errors="ignore"))


def _name(cell: object) -> object:
    """Return the name of a file in place of its path, which no two runs share."""
    return Path(cell).name if isinstance(cell, str) and cell.startswith("/") else cell


def same_parquet(one: Path, other: Path) -> bool:
    """Whether two parquet files hold the same table; where it comes from names other folders."""
    return pd.read_parquet(one).equals(pd.read_parquet(other))


def same_arrow(one: Path, other: Path) -> bool:
    """Whether two packs or files of features hold the same rows."""
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(pa.memory_map(str(path))) for path in (one, other)]
        tables = [pa.ipc.open_file(file).read_all() for file in files]
        return tables[0].equals(tables[1])


def same_onnx(one: Path, other: Path) -> bool:
    """Whether two exported models are the same network."""
    import onnx

    graphs = [
        onnx.load(str(path)).graph.SerializeToString(deterministic=True) for path in (one, other)
    ]
    return graphs[0] == graphs[1]


COMPARED: dict[str, Callable[[Path, Path], bool]] = {
    ".pth": same_checkpoint,
    ".csv": same_csv,
    ".parquet": same_parquet,
    ".arrow": same_arrow,
    ".onnx": same_onnx,
}
