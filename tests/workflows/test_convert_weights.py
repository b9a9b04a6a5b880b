import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from mmpretrain.registry import MODELS
from onnxruntime import InferenceSession

import mmmask.register  # noqa: F401
from mmmask.config import load_config
from mmmask.engine.pretrained import check_pretrained
from mmmask.errors import InputError, MissingFileError
from mmmask.models.backbones.mobile_facenet import MobileFaceNet
from mmmask.workflows.convert_weights import (
    AGES,
    FEATURES,
    GENDER,
    MEAN,
    convert_weights,
    read_weights,
    sample_photo,
)
from tests.tfjs_graph import run_graph

VALUES = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.float32([-1.5, 2.5])}


def packed(value: np.ndarray, kind: str) -> tuple[bytes, dict]:
    """Return the bytes of a weight and what the manifest says of its type."""
    if kind == "float32":
        return value.astype("<f4").tobytes(), {"dtype": kind}
    packing = {"dtype": kind}
    if kind == "float16":
        return value.astype("<f2").tobytes(), {"dtype": "float32", "quantization": packing}
    steps = 2 ** (8 * np.dtype(kind).itemsize) - 1
    packing |= {"scale": float(np.ptp(value)) / steps, "min": float(value.min())}
    whole = np.round((value - packing["min"]) / packing["scale"]).astype(
        f"<u{steps.bit_length() // 8}"
    )
    return whole.tobytes(), {"dtype": "float32", "quantization": packing}


def written(
    folder: Path, values: dict[str, np.ndarray], kind: str = "float32", shards: int = 1, **facts
) -> Path:
    """Write a model for TensorFlow.js: its .json, and its weights in so many files."""
    content, entries = b"", []
    for name, value in values.items():
        part, stated = packed(value, kind)
        content += part
        entries.append({"name": name, "shape": list(value.shape), **stated})
    size = -(-len(content) // shards)
    names = [f"group1-shard{number + 1}of{shards}.bin" for number in range(shards)]
    for number, name in enumerate(names):
        (folder / name).write_bytes(content[number * size : (number + 1) * size])
    model = {"weightsManifest": [{"paths": names, "weights": entries}], **facts}
    (folder / "model.json").write_text(json.dumps(model))
    return folder / "model.json"


@pytest.mark.parametrize("kind", ["float32", "float16", "uint8", "uint16"])
@pytest.mark.parametrize("shards", [1, 3])
def test_weights_are_read_from_files_of_any_number_and_type(tmp_path, kind, shards):
    found = read_weights(written(tmp_path, VALUES, kind, shards))
    assert list(found) == list(VALUES)
    for name, value in VALUES.items():
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], value, atol=0.02 if kind == "uint8" else 1e-4)


def test_weights_that_are_cut_short_or_too_long_are_refused(tmp_path):
    path = written(tmp_path, VALUES)
    content = (tmp_path / "group1-shard1of1.bin").read_bytes()
    (tmp_path / "group1-shard1of1.bin").write_bytes(content[:-1])
    with pytest.raises(InputError, match=r"shard1of1\.bin: is cut short, b lies beyond its end"):
        read_weights(path)
    (tmp_path / "group1-shard1of1.bin").write_bytes(content + b"0")
    with pytest.raises(InputError, match="must hold 32 bytes; got 33"):
        read_weights(path)


@pytest.mark.parametrize("text", ["[]", "{", '{"weightsManifest": [{"paths": ["x"]}]}', "\xff"])
def test_a_file_that_is_no_model_is_refused(tmp_path, text):
    (tmp_path / "model.json").write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=r"model\.json: (must be|not readable) (the \.j|JSON|a J)"):
        read_weights(tmp_path / "model.json")


def test_weights_outside_the_folder_of_a_model_are_not_read(tmp_path):
    text = '{"weightsManifest": [{"paths": ["../secret.bin"], "weights": []}]}'
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(
        InputError, match=r"names \.\./secret\.bin, which must be in the same folder"
    ):
        read_weights(tmp_path / "model.json")


def test_a_missing_file_is_named(tmp_path):
    path = written(tmp_path, VALUES, shards=2)
    (tmp_path / "group1-shard2of2.bin").unlink()
    with pytest.raises(MissingFileError, match=r"group1-shard2of2\.bin: no such file"):
        read_weights(path)


def test_a_type_that_is_not_read_is_refused(tmp_path):
    path = written(tmp_path, VALUES)
    path.write_text(path.read_text().replace('"float32"', '"string"', 1))
    with pytest.raises(InputError, match=r"the type of a must be float32, .*; got string"):
        read_weights(path)


def test_another_network_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(InputError, match="is another network than faceres-deep"):
        convert_weights([written(tmp_path, VALUES)], tmp_path / "new" / "out.pth")
    assert not (tmp_path / "new").exists()


def test_known_outputs_are_those_of_the_published_graph(face_network):
    graph = json.loads(face_network.read_text())["modelTopology"]["node"]
    photo = sample_photo().astype(np.float32) - np.float32(MEAN)
    values = run_graph(graph, read_weights(face_network), {"input_1": photo[None]})
    found = [
        values[name][0, : len(known)]
        for name, known in (
            ("global_pooling/Mean", FEATURES),
            ("age_pred/BiasAdd", AGES),
            ("gender_pred/BiasAdd", (GENDER,)),
        )
    ]
    np.testing.assert_allclose(np.concatenate(found), [*FEATURES, *AGES, GENDER], atol=1e-4)


def test_the_published_network_is_converted_exactly(face_network, tmp_path):
    made = convert_weights([face_network], tmp_path / "out.pth")
    assert made.difference < 1e-3
    state = torch.load(tmp_path / "out.pth")
    assert made.numbers == sum(value.numel() for value in state.values())
    theirs = torch.load(face_network.parent / "faceres_deep_mobilenetv1.pth")
    assert state.keys() == theirs.keys()
    assert all(torch.equal(state[name], theirs[name]) for name in state)


def test_the_network_in_16_bits_is_accepted_and_one_with_a_changed_bias_is_not(
    face_network, tmp_path
):
    given = read_weights(face_network)
    made = convert_weights([written(tmp_path, given, "float16", 4)], tmp_path / "out.pth")
    assert 1e-4 < made.difference < 0.02
    given["conv_pw_7_bn/batchnorm_1/sub"] = given["conv_pw_7_bn/batchnorm_1/sub"] * 1.1
    with pytest.raises(InputError, match=r"another network .* known outputs differ by .* 0\.02"):
        convert_weights([written(tmp_path, given)], tmp_path / "other.pth")
    assert not (tmp_path / "other.pth").exists()


@pytest.fixture(scope="module")
def mobile_facenet(tmp_path_factory) -> Path:
    """A MobileFaceNet of random weights, in ONNX."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("onnx") / "facenet.onnx"
    x = torch.rand(1, 3, 112, 112)
    torch.onnx.export(MobileFaceNet().eval(), (x,), path, dynamo=True, verbose=False)
    return path


def test_a_network_in_onnx_gives_the_weights_that_compute_the_same(mobile_facenet, tmp_path):
    made = convert_weights([mobile_facenet], tmp_path / "out.pth")
    assert made.difference < 1e-5
    assert "MIT" in made.licences[0]
    network = MobileFaceNet().eval()
    state = torch.load(tmp_path / "out.pth")
    network.load_state_dict({name.removeprefix("backbone."): state[name] for name in state})
    x = torch.rand(1, 3, 112, 112)
    session = InferenceSession(str(mobile_facenet))
    (theirs,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(network(x)[0].numpy(), theirs, atol=1e-5)


def test_numbers_that_make_a_cpu_slow_become_zero(mobile_facenet, tmp_path):
    model = onnx.load(str(mobile_facenet))
    slow = next(one for one in model.graph.initializer if "weight" in one.name)
    values = onnx.numpy_helper.to_array(slow).copy()
    values.flat[:3] = 1e-40, -1e-17, 1e-12
    slow.CopyFrom(onnx.numpy_helper.from_array(values, slow.name))
    onnx.save(model, tmp_path / "slow.onnx")
    convert_weights([tmp_path / "slow.onnx"], tmp_path / "out.pth")
    stored = torch.cat([value.flatten() for value in torch.load(tmp_path / "out.pth").values()])
    assert ((stored != 0) & (stored.abs() < 1e-15)).sum() == 0
    assert np.float32(1e-12) in stored


def test_another_network_in_onnx_is_refused(tmp_path):
    conv = torch.nn.Conv2d(3, 64, 3).eval()
    torch.onnx.export(conv, (torch.rand(1, 3, 112, 112),), tmp_path / "a.onnx", verbose=False)
    (tmp_path / "b.onnx").write_bytes((tmp_path / "a.onnx").read_bytes()[:50])
    for name in ("a.onnx", "b.onnx"):
        with pytest.raises(InputError, match=rf"{name}: is no MobileFaceNet"):
            convert_weights([tmp_path / name], tmp_path / "out.pth")
    assert not (tmp_path / "out.pth").exists()


def test_a_network_that_is_named_twice_is_refused(mobile_facenet, tmp_path):
    with pytest.raises(InputError, match=r"facenet\.onnx: is the same network as another source"):
        convert_weights([mobile_facenet] * 2, tmp_path / "out.pth")
    assert not (tmp_path / "out.pth").exists()


def test_two_networks_fill_the_one_that_has_them_side_by_side(
    face_network, mobile_facenet, tmp_path
):
    out = tmp_path / "two.pth"
    convert_weights([face_network.parent / "faceres_deep_mobilenetv1.pth", mobile_facenet], out)
    cfg = load_config(Path("configs/face_pair_probe.py"))
    model = MODELS.build({**cfg.model, "init_cfg": None})
    check_pretrained(model, str(out))
    convert_weights([face_network], out)
    with pytest.raises(InputError, match="does not fit the backbone"):
        check_pretrained(model, str(out))
