"""Runs a graph model of TensorFlow.js node by node, in numpy; knows nothing of our networks."""

import base64
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def run_graph(
    nodes: list[dict], weights: Mapping[str, Array], inputs: Mapping[str, Array]
) -> dict[str, Array]:
    """Return the value of each node, of which the file has them in the order of computation."""
    values: dict[str, Array] = {}
    for node in nodes:
        name, kind = node["name"], node["op"]
        if kind in ("Const", "Placeholder"):
            values[name] = (weights if kind == "Const" else inputs)[name]
        else:
            values[name] = OPERATIONS[kind](node["attr"], *(values[key] for key in node["input"]))
    return values


def convolved(attributes: dict, photos: Array, kernel: Array) -> Array:
    """(N, H, W, C), (h, w, C, D) -> (N, H', W', D)."""
    total: Array = np.float32(0)
    for row, column, part in patches(attributes, photos, kernel.shape):
        total = total + part @ kernel[row, column]
    return total


def convolved_by_channel(attributes: dict, photos: Array, kernel: Array) -> Array:
    """(N, H, W, C), (h, w, C, 1) -> (N, H', W', C)."""
    total: Array = np.float32(0)
    for row, column, part in patches(attributes, photos, kernel.shape):
        total = total + part * kernel[row, column, :, 0]
    return total


def patches(attributes: dict, photos: Array, shape: tuple[int, ...]) -> Any:
    """Yield what each place of a kernel meets, padded with zeros as "SAME" is defined."""
    assert base64.b64decode(attributes["padding"]["s"]) == b"SAME"
    assert base64.b64decode(attributes["data_format"]["s"]) == b"NHWC"
    steps = [int(step) for step in attributes["strides"]["list"]["i"][1:3]]
    padding, ends = [(0, 0)], []
    for length, step, size in zip(photos.shape[1:3], steps, shape[:2], strict=True):
        count = math.ceil(length / step)
        total = max((count - 1) * step + size - length, 0)
        padding.append((total // 2, total - total // 2))
        ends.append((count - 1) * step + 1)
    padded = np.pad(photos, [*padding, (0, 0)])
    for row in range(shape[0]):
        for column in range(shape[1]):
            rows = slice(row, row + ends[0], steps[0])
            columns = slice(column, column + ends[1], steps[1])
            yield row, column, padded[:, rows, columns]


def multiplied(attributes: dict, rows: Array, matrix: Array, bias: Array) -> Array:
    """Matrix product and what is fused with it."""
    steps = [base64.b64decode(step) for step in attributes["fused_ops"]["list"]["s"]]
    assert steps in ([b"BiasAdd"], [b"BiasAdd", b"Relu"])
    result = rows @ matrix + bias
    return np.maximum(result, 0) if b"Relu" in steps else result


def softmax(attributes: dict, rows: Array) -> Array:
    powers = np.exp(rows - rows.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


OPERATIONS: dict[str, Callable[..., Array]] = {
    "Conv2D": convolved,
    "DepthwiseConv2dNative": convolved_by_channel,
    "_FusedMatMul": multiplied,
    "Softmax": softmax,
    "Add": lambda _, one, other: one + other,
    "Mul": lambda _, one, other: one * other,
    "Maximum": lambda _, one, other: np.maximum(one, other),
    "Minimum": lambda _, one, other: np.minimum(one, other),
    "Relu": lambda _, one: np.maximum(one, 0),
    "Sigmoid": lambda _, one: 1 / (1 + np.exp(-one)),
    "Mean": lambda _, one, axes: one.mean(axis=tuple(axes)),
}
