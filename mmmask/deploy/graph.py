"""A trained classifier as an ONNX graph: uint8 photos in, probabilities out."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmpretrain.models.utils.attention import ShiftWindowMSA
from torch import Tensor, nn

from mmmask.deploy.facts import ModelFacts, with_sum
from mmmask.errors import InputError
from mmmask.packages import require

#: Photos of the batch that is traced; what depends on their number shows on another.
TRACED = 2
#: How the names of nodes begin that work on the pooled feature: few, and easily spoilt.
HEAD = "head/"
#: Below it, ONNX converts no graph.
_OLDEST_OPSET = 7


class PhotoClassifier(nn.Module):
    """The classifier with the normalisation before it and the softmax behind it.

    Args:
        classifier: In evaluation mode.

    Shape:
        (N, H, W, 3) uint8 in BGR -> probabilities (N, C), and of a model of years (N, 121).
    """

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier
        self.register_buffer("mean", classifier.data_preprocessor.mean.clone())
        self.register_buffer("std", classifier.data_preprocessor.std.clone())

    def forward(self, bgr: Tensor) -> tuple[Tensor, ...]:
        rgb = bgr.permute(0, 3, 1, 2).flip(1).float()  # (N, H, W, 3) -> (N, 3, H, W)
        inputs = (rgb - self.mean) / self.std
        batch = self.classifier(inputs, mode="predict")
        years = (batch.pred_years,) if "pred_years" in batch else ()
        return (batch.pred_score, *years)


def check_opset(opset: int | None) -> None:
    """Refuse a version of ONNX's operators that no graph can be written in; None is the exporter's.

    :func:`write_graph` refuses one in which this network has no form, after minutes.
    """
    require("an export", "onnx", "onnxscript")
    import onnx

    newest = onnx.defs.onnx_opset_version()
    if opset is not None and not _OLDEST_OPSET <= opset <= newest:
        raise InputError(f"--opset must be from {_OLDEST_OPSET} to {newest}; got {opset}")


def write_graph(
    classifier: nn.Module, facts: ModelFacts, path: str | Path, *, opset: int | None = None
) -> None:
    """Write a classifier as an ONNX model that knows its facts, for batches of any number.

    Args:
        classifier: In evaluation mode, on the CPU.
        facts: What goes into the model's metadata.
        path: The .onnx file.
        opset: Version of ONNX's operators; None: the exporter's.

    Raises:
        InputError: ONNX is not installed, or it has no words for the network.
    """
    require("an export", "onnx", "onnxscript")  # the exporter asks for the latter late
    import onnx

    height, width = facts.preparation.geometry.size
    example = torch.zeros(TRACED, height, width, 3, dtype=torch.uint8)
    try:
        with torch.no_grad(), _whole_batches(classifier):
            program = torch.onnx.export(
                PhotoClassifier(classifier).eval(),
                (example,),
                input_names=["bgr"],
                output_names=["probabilities", "years"] if facts.years else ["probabilities"],
                dynamic_shapes=({0: torch.export.Dim("photos", min=1, max=65536)},),
                opset_version=opset,
                custom_translation_table={torch.ops.aten.cummin.default: _running_minimum},
                dynamo=True,
                verbose=False,
            )
        assert program is not None  # as no path was given
        model = program.model_proto
    except (torch.onnx.OnnxExporterError, onnx.version_converter.ConvertError) as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise InputError(f"the network has no ONNX graph: {reason[:300]}") from error
    written = next(entry.version for entry in model.opset_import if not entry.domain)
    if opset is not None and written != opset:  # the exporter says so in its log alone
        raise InputError(
            f"--opset must be a version that can hold this network, such as {written}; got {opset}"
        )
    _name_head(model.graph.node)
    for node in [*model.graph.node, *(node for part in model.functions for node in part.node)]:
        del node.metadata_props[:]  # where in whose Python files it comes from
        node.doc_string = ""
    Path(path).write_bytes(with_sum(model, facts))


def _name_head(nodes: Sequence[Any]) -> None:
    """Let the names of the head's nodes, and of what follows it, begin with ``HEAD``."""
    behind: set[str] = set()
    for node in nodes:  # ordered such that a node stands behind what it reads
        scopes = next((p.value for p in node.metadata_props if p.key.endswith("name_scopes")), "")
        if "'classifier.head'" in scopes or behind & {*node.input}:
            behind |= {*node.output}
            node.name = HEAD + node.name


def _running_minimum(values: Any, dim: int) -> tuple[Any, Any]:
    """Return torch's ``cummin`` of (N, K) along K in ONNX, which has no such operator.

    The second result, where each minimum is, is asked for by none of our models.
    """
    import onnxscript
    from onnx import numpy_helper

    op: Any = onnxscript.opset18
    assert dim in (1, -1)
    count = values.shape[1]
    before = numpy_helper.from_array(np.tril(np.ones((count, count), dtype=bool)))
    wide = op.Unsqueeze(values, op.Constant(value_ints=[1]))  # (N, K) -> (N, 1, K)
    wide = op.Where(op.Constant(value=before), wide, float("inf"))  # (N, K, K)
    least = op.ReduceMin(wide, op.Constant(value_ints=[2]), keepdims=0)  # (N, K)
    return least, op.Cast(least, to=7)


@contextmanager
def _whole_batches(classifier: nn.Module) -> Iterator[None]:
    """Let shifted windows go back to photos without counting the photos.

    MMPretrain divides the number of windows as floats, so a graph would keep the number of photos
    that it was traced with, and be silently wrong for any other.
    """
    modules = [module for module in classifier.modules() if isinstance(module, ShiftWindowMSA)]
    for module in modules:
        module.window_reverse = _windows_to_map  # in place of the class's
    try:
        yield
    finally:
        for module in modules:
            del module.window_reverse


def _windows_to_map(windows: Tensor, height: int, width: int, size: int) -> Tensor:
    """Return a map of windows: (N * windows, size, size, D) -> (N, height, width, D)."""
    channels = windows.shape[-1]
    parts = windows.view(-1, height // size, width // size, size, size, channels)
    return parts.permute(0, 1, 3, 2, 4, 5).reshape(-1, height, width, channels)
