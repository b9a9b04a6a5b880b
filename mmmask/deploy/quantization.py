"""An exported model with weights and activations of 8 bits."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmmask.deploy.facts import with_sum
from mmmask.deploy.graph import HEAD
from mmmask.deploy.networks import OnnxNetwork
from mmmask.files import writing
from mmmask.packages import require

#: Operators of the backbone whose numbers become 8 bits. Convolutions alone are no faster: what
#: lies between them has to be 8 bits too.
QUANTIZED = [
    "Conv", "Gemm", "MatMul", "Add", "Mul", "Clip", "Relu", "Sigmoid",
    "MaxPool", "AveragePool", "GlobalAveragePool",
]  # fmt: skip
_BATCH = 32


def quantize(model: str | Path, out: str | Path, photos: NDArray[np.uint8]) -> None:
    """Write a model as int8, its ranges taken from photos ("static quantization").

    Weights have a scale for each channel. Each tensor is quantized where it is used (QDQ), so the
    file stays an ordinary ONNX model with the same inputs, outputs and facts.

    Args:
        model: File of an exported model.
        out: Where the other goes.
        photos: (N, height, width, 3), some hundreds of prepared photos like those to come; never
            of people who are to score the result.

    Raises:
        InputError: onnx is not installed.
    """
    require("--int8", "onnx", "onnxruntime")
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Batches(quantization.CalibrationDataReader):
        """Photos in the form that the calibration asks for."""

        def __init__(self) -> None:
            starts = range(0, len(photos), _BATCH)
            self.batches = iter([{"bgr": photos[start : start + _BATCH]} for start in starts])

        def get_next(self) -> dict[str, Any] | None:
            return next(self.batches, None)

    with tempfile.TemporaryDirectory() as folder, writing(folder):
        folded, rough = Path(folder) / "folded.onnx", Path(folder) / "rough.onnx"
        quant_pre_process(str(model), str(folded), skip_symbolic_shape=True)
        quantization.quantize_static(
            str(folded),
            str(rough),
            Batches(),
            op_types_to_quantize=QUANTIZED,
            nodes_to_exclude=[
                node.name for node in onnx.load(folded).graph.node if node.name.startswith(HEAD)
            ],
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
        quantized = onnx.load(rough)
    Path(out).write_bytes(with_sum(quantized, OnnxNetwork(model).facts))
