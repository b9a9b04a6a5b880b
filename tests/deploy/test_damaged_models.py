"""Models that are damaged, or none of ours, end in one sentence."""

import json

import numpy as np
import pytest

from mmmask.deploy.facts import with_sum
from mmmask.deploy.networks import OnnxNetwork
from mmmask.errors import InputError, MissingFileError

onnx = pytest.importorskip("onnx", reason="needs onnx (extra export)")


@pytest.fixture
def summed(make_onnx):
    """Write a model with its sum, as an export does."""
    path = make_onnx()
    facts = OnnxNetwork(path).facts
    path.write_bytes(with_sum(onnx.load(path), facts))
    return path


def test_a_model_with_its_sum_is_read_and_one_with_other_weights_refused(summed) -> None:
    facts = OnnxNetwork(summed).facts
    model = onnx.load(summed)
    weights = next(one for one in model.graph.initializer if one.name == "probabilities_w")
    summed.write_bytes(summed.read_bytes().replace(weights.raw_data[:64], bytes(64)))
    with pytest.raises(
        InputError, match=r"model\.onnx: damaged, or changed since tools/export\.py"
    ):
        OnnxNetwork(summed)
    summed.write_bytes(with_sum(onnx.load(summed), facts))
    OnnxNetwork(summed)


def test_every_single_zeroed_stretch_is_refused(summed) -> None:
    whole = summed.read_bytes()
    facts = vars(OnnxNetwork(summed).facts)
    for start in range(0, len(whole), 97):
        damaged = whole[:start] + bytes(20) + whole[start + 20 :]
        if damaged == whole:
            continue
        summed.write_bytes(damaged[: len(whole)])
        with pytest.raises(InputError, match=r"model\.onnx: "):
            OnnxNetwork(summed)
    summed.write_bytes(whole)
    assert vars(OnnxNetwork(summed).facts) == facts


DEEP = '{"a":' * 100_000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, DEEP) for name in ("preparation", "provenance", "mmmask")),
        *((name, "[1]") for name in ("preparation", "preprocessing", "provenance", "attribute")),
        *((name, "3") for name in ("views", "classes", "years", "preparation")),
        ("views", "[[1]]"),
        ("classes", "[[1], 2]"),
        ("old_from", '"x"'),
        ("old_from", "9" * 5000),
        ("years", "NaN"),
        ("attribute", '"colour"'),
        ("preparation", json.dumps({"size": ["a", 6], "crop": [1, 1]})),
        (
            "preparation",
            json.dumps(
                {
                    "size": [8, 6],
                    "crop": [1, 1],
                    "at_least": None,
                    "faces": {"aspect": "x", "typical": [0, 0, 1, 1]},
                }
            ),
        ),
    ],
)
def test_facts_of_another_type_are_refused(make_onnx, name, value) -> None:
    path = make_onnx(metadata={name: value})
    with pytest.raises(InputError, match=r"model\.onnx: its metadata are damaged") as error:
        OnnxNetwork(path)
    assert len(str(error.value)) < 500


def changed(path, change):
    model = onnx.load(path)
    change(model)
    path.write_bytes(model.SerializeToString())
    return path


def fixed_batch(model) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def other_size(model) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 9


def other_numbers(model) -> None:
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT


@pytest.mark.parametrize("change", [fixed_batch, other_size, other_numbers])
def test_a_graph_of_other_inputs_is_refused(make_onnx, change) -> None:
    path = changed(make_onnx(), change)
    with pytest.raises(InputError, match=r"model\.onnx: inputs and outputs must be"):
        OnnxNetwork(path)


def test_a_graph_that_answers_otherwise_than_it_says_ends_in_one_sentence(make_onnx) -> None:
    def as_many_photos_as_the_brightest_pixel(model) -> None:
        node = onnx.helper.make_node
        for name, value in {"zero": 0, "one": 1}.items():
            model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(value), name))
        model.graph.node[0].input[0] = "other"
        nodes = [
            node("Cast", ["bgr"], ["whole"], to=onnx.TensorProto.INT64),
            node("ReduceMax", ["whole"], ["most"], keepdims=0),
            node("Range", ["zero", "most", "one"], ["rows"]),
            node("Gather", ["bgr", "rows"], ["other"]),
        ]
        nodes += model.graph.node
        del model.graph.node[:]
        model.graph.node.extend(nodes)

    network = OnnxNetwork(changed(make_onnx(), as_many_photos_as_the_brightest_pixel))
    network(np.full((3, 8, 6, 3), 3, np.uint8))
    with pytest.raises(InputError, match=r"model\.onnx: must answer each photo; got 1 answers"):
        network(np.ones((3, 8, 6, 3), np.uint8))
    with pytest.raises(InputError, match=r"model\.onnx: fails on 3 photos: ") as error:
        network(np.zeros((3, 9, 6, 3), np.uint8))
    assert "\n" not in str(error.value)


def test_weights_outside_the_file_are_refused(make_onnx, tmp_path) -> None:
    def outside(model) -> None:
        tensor = next(one for one in model.graph.initializer if one.name == "probabilities_w")
        (tmp_path.parent / "secret.bin").write_bytes(tensor.raw_data)
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="../secret.bin")

    path = changed(make_onnx(), outside)
    with pytest.raises(InputError, match=r"model\.onnx: "):
        OnnxNetwork(path)


@pytest.mark.parametrize("content", [b"", b"\x00" * 1000, b"[" * 100_000, bytes(range(256)) * 40])
def test_bytes_that_are_no_model_are_refused(tmp_path, content) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"model\.onnx: "):
        OnnxNetwork(path)


def test_graphs_nested_without_end_are_refused(tmp_path) -> None:
    content = b""
    for _ in range(20_000):  # ModelProto.graph.node.attribute.g, by hand: protobuf refuses to
        content = field(1, field(5, field(6, content)))
    path = tmp_path / "model.onnx"
    path.write_bytes(field(7, content))
    with pytest.raises(InputError, match=r"model\.onnx: "):
        OnnxNetwork(path)


def field(number: int, content: bytes) -> bytes:
    """Return a field of protobuf that holds bytes."""
    size, length = len(content), b""
    while size >= 128:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


@pytest.mark.parametrize("name", ["x" * 300 + ".onnx", "a\0b.onnx"])
def test_a_name_that_no_file_has_is_called_missing(name) -> None:
    with pytest.raises(MissingFileError, match="no such file"):
        OnnxNetwork(name)
