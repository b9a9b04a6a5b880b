"""The card of a run: what it is made of, how far it came and how well it did, as ``card.json``.

A card holds ``sessions``, one for each time that the run was started, the last one last;
``configs``, the texts of their configs by hash; and ``validations``, the scores of each epoch that
counts. A resumed run adds a session and forgets the validations behind the epoch it starts from.

==========================  ===================================================================
of a session
==========================  ===================================================================
``status``                  ``running``, ``finished``, ``interrupted``, or, with the reason as
                            ``error``, ``diverged`` or ``failed``
``start`` ``end``           times; ``end`` is when the card was last written
``from_epoch`` ``epoch``    epochs that were done at the start, and when it was last written
``max_epochs``              how many were planned
``photos_per_second``       of the training alone, all processes together
``command``                 the command line
``config_file``             config that it was started from
``config_hash``             key of the complete config's text in ``configs``
``overrides``               dotted name -> value, where a weight may depend on how that config
                            differs from its file: what the command line set
``seed`` ``split``          seed; ``trained_on`` (train or all), ``folds``, ``fold``, ``split_seed``
``data``                    ``root``; of ``train`` and ``val`` photos, people and ``fingerprint``,
                            and that of ``soft_labels`` where a teacher gave some
``without_truth``           of photos learned unlabelled, or with labels of a model, what hooks say
                            (names: ``WITHOUT_TRUTH`` of :mod:`mmmask.ledger.provenance`)
``code`` ``versions``       as in :mod:`mmmask.ledger.provenance`
``machine`` ``process``     host, system, cores, device, processes; and what tells a process
==========================  ===================================================================
"""

import json
import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmmask.errors import InputError, MissingFileError
from mmmask.files import atomic_write
from mmmask.json_files import check_kinds, read_json, shown

CARD = "card.json"
#: Field of a session -> its type.
_SESSION = {
    **dict.fromkeys(("status", "error", "start", "end", "command", "config_file"), str),
    "config_hash": str,
    **dict.fromkeys(("from_epoch", "epoch", "max_epochs", "seed"), int),
    "photos_per_second": float,
    **dict.fromkeys(("overrides", "split", "data", "code", "machine", "process"), dict),
    "without_truth": dict,
    "versions": dict,
    "split.trained_on": str,
    **dict.fromkeys(("split.folds", "split.fold", "split.split_seed"), int),
    "data.root": str,
    **{
        f"data.{part}{field}": kind
        for part in ("train", "val")
        for field, kind in {
            "": dict, ".photos": int, ".people": int, ".fingerprint": str, ".soft_labels": str
        }.items()
    },
    **{
        f"without_truth.{name}{field}": kind
        for name in ("pseudo_labels", "unlabelled")
        for field, kind in {"": dict, ".count": int, ".from_test_set": int}.items()
    },
    **dict.fromkeys(("code.commit", "code.hash"), str),
    **dict.fromkeys(("machine.host", "machine.device", "process.host"), str),
    **dict.fromkeys(("machine.processes", "process.pid", "process.started"), int),
}  # fmt: skip


def read_card(folder: str | Path) -> dict[str, Any]:
    """Return the card in a run's folder; a :class:`MissingFileError` where there is none."""
    path = Path(folder) / CARD
    try:
        card = read_json(path, infinite=True)  # which an override may be
    except MissingFileError as error:
        raise MissingFileError(f"{error}; runs made by an older version have no card") from error
    if "sittings" in card:  # so named in older cards
        card["sessions"] = card.pop("sittings")
    check_kinds(card, {"sessions": list, "validations": list, "configs": dict}, str(path))
    if not card.get("sessions"):
        raise InputError(f"{path}: sessions must be a list of at least one; got none")
    for part, kinds in (("sessions", _SESSION), ("validations", {})):
        card[part] = card.get(part) or []
        for number, one in enumerate(card[part]):
            where = f"{path}: {part}.{number}"
            if not isinstance(one, dict):
                raise InputError(f"{where} must be a mapping; got {shown(one)}")
            check_kinds(one, kinds or {**dict.fromkeys(one, float), "epoch": int}, where)
            if part == "validations" and "epoch" not in one:
                raise InputError(f"{where} must have an epoch; got none")
    card["configs"] = card.get("configs") or {}
    check_kinds(card["configs"], dict.fromkeys(card["configs"], str), f"{path}: configs")
    return card


def write_card(folder: str | Path, card: Mapping[str, Any]) -> None:
    """Write a card, whole."""
    with atomic_write(Path(folder) / CARD) as partial:
        partial.write_text(json.dumps(card, indent=1, default=str))


def status(card: Mapping[str, Any]) -> str:
    """Return how the last session stands; one whose process is gone was interrupted."""
    session = card["sessions"][-1]
    stated = session.get("status", "unknown")
    gone = stated == "running" and is_alive(session.get("process")) is False
    return "interrupted" if gone else stated


def best(card: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the validation with the highest macro F1, its epoch with it; the first of equals."""
    scored = [one for one in card.get("validations", []) if "macro_f1" in one]
    return max(scored, key=lambda one: one["macro_f1"], default=None)


def session_of(card: Mapping[str, Any], checkpoint: Path) -> dict[str, Any]:
    """Return the session that wrote a checkpoint, by the epoch in the file's name."""
    epoch = re.search(r"epoch_(\d+)", checkpoint.stem)
    wrote = [
        session
        for session in card["sessions"]
        if epoch and session.get("from_epoch", 0) < int(epoch[1])
    ]
    return (wrote or card["sessions"])[-1]


def this_process() -> dict[str, Any]:
    """Return what tells this process from all others, also from a later one of its number."""
    pid = os.getpid()
    return {"host": platform.node(), "pid": pid, "started": _started(pid)}


def is_alive(process: Mapping[str, Any] | None) -> bool | None:
    """Say whether a process is still there; None where one cannot tell, on another machine."""
    if process is None or process.get("host") != platform.node() or "pid" not in process:
        return None
    try:
        os.kill(process["pid"], 0)
    except (ProcessLookupError, OverflowError):  # the latter of a number that no process has
        return False
    except PermissionError:  # somebody else's, so it is there
        pass
    return _started(process["pid"]) == process.get("started")


def _started(pid: int) -> int | None:
    """Return when a process started, in clock ticks since the machine did; None off Linux."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[19])
