"""What leaves the checkpoint, as ONNX or through MMPretrain's inferencer, says what it says."""

import contextlib
import io
import runpy

import cv2
import numpy as np
import onnx
import pytest
import torch
from mmpretrain import ImageClassificationInferencer

from mmmask.config import load_config
from mmmask.deploy.facts import with_sum
from mmmask.deploy.predictor import Predictor
from mmmask.engine.checkpoints import load_checkpoint_file
from mmmask.labels import CLASSES
from mmmask.tables import PREDICTIONS, probabilities, read_table
from mmmask.workflows.export import TOLERANCE
from tests.tiny_models import SIZE, TINY, tiny_checkpoint

from .conftest import ROOT


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A config and a checkpoint whose answers differ between photos, as after a long training."""
    return tiny_checkpoint(tmp_path_factory.mktemp("model"))


def tool(name: str, *arguments: object) -> int:
    """Run a file of tools/ in this process; return its exit status."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setenv("LOCAL_RANK", "0")
        patch.setattr("sys.argv", [name, *map(str, arguments)])
        runpy.run_path(str(ROOT / "tools" / name), run_name="__main__")
    return ended.value.code


@pytest.fixture(scope="module")
def tested(model, drawn, tmp_path_factory):
    """What tools/test.py says of the photos in eval/."""
    out = tmp_path_factory.mktemp("tested") / "eval.parquet"
    assert tool("test.py", *model, "--data-root", drawn, "--out", out) == 0
    table = read_table(out, PREDICTIONS)
    assert np.ptp(probabilities(table), axis=0).max() > 0.1
    return table


@pytest.fixture(scope="module")
def exported(model, drawn, tmp_path_factory):
    folder, said = tmp_path_factory.mktemp("exported"), io.StringIO()
    with contextlib.redirect_stdout(said):
        status = tool(
            *("export.py", *model, "--data-root", drawn),
            *("--out", folder / "model.onnx", "--int8", folder / "int8.onnx", "--held-out"),
        )
    assert status == 0
    return folder, " ".join(said.getvalue().split())


def test_the_exported_model_predicts_what_the_checkpoint_predicts(drawn, tested, exported):
    table = Predictor(exported[0] / "model.onnx")([drawn / image for image in tested["image"]])
    np.testing.assert_allclose(probabilities(table), probabilities(tested), atol=TOLERANCE)
    ours, theirs = table.attrs["provenance"], tested.attrs["provenance"]
    for key in ("checkpoint_hash", "preprocessing", "old_from", "tta"):
        assert ours[key] == theirs[key], key


def test_the_largest_difference_and_the_cost_of_int8_are_stated(exported):
    folder, text = exported
    for words in (
        "100.0 % of 35", "macro F1, 95 % interval over 5 people held out: checkpoint ",
        "ONNX scores as checkpoint does, on all people", "held out: ONNX ", "; int8 ",
        "model.onnx",
    ):  # fmt: skip
        assert words in text, text
    size = {name: (folder / f"{name}.onnx").stat().st_size for name in ("model", "int8")}
    assert size["int8"] < 0.5 * size["model"]


def test_the_int8_model_is_one_of_ours_and_close(drawn, tested, exported):
    path = exported[0] / "int8.onnx"
    operators = {node.op_type for node in onnx.load(path).graph.node}
    assert operators >= {"QuantizeLinear", "DequantizeLinear", "Conv"}
    table = Predictor(path)([drawn / image for image in tested["image"]])
    assert 0 < np.abs(probabilities(table) - probabilities(tested)).mean() < 0.05


def test_nothing_is_written_where_the_answers_differ(
    model, drawn, exported, tmp_path, monkeypatch, capsys
):
    import mmmask.deploy.graph

    wrong = onnx.load(exported[0] / "model.onnx")
    (std,) = [part for part in wrong.graph.initializer if part.name == "std"]
    std.CopyFrom(onnx.numpy_helper.from_array(1.01 * onnx.numpy_helper.to_array(std), "std"))
    monkeypatch.setattr(
        mmmask.deploy.graph,
        "write_graph",
        lambda net, facts, path, opset: path.write_bytes(with_sum(wrong, facts)),
    )
    out = tmp_path / "model.onnx"
    assert tool("export.py", *model, "--data-root", drawn, "--out", out) == 2
    assert "model.onnx: not written, as its probabilities differ" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_model_of_everybody_has_nobody_to_score_int8(model, drawn, tmp_path, capsys):
    content = load_checkpoint_file(model[1])
    content["meta"]["trained_on"] = "all"
    torch.save(content, tmp_path / "all.pth")
    outputs = "--out", tmp_path / "model.onnx", "--int8", tmp_path / "int8.onnx"
    assert tool("export.py", model[0], tmp_path / "all.pth", "--data-root", drawn, *outputs) == 2
    assert "nobody is held out" in capsys.readouterr().err
    assert not (tmp_path / "model.onnx").exists()


def test_a_name_that_is_no_models_and_a_folder_without_photos_are_refused(
    model, drawn, tmp_path, capsys
):
    start = *model, "--data-root"
    assert tool("export.py", *start, drawn, "--out", tmp_path / "model.pth") == 2
    assert "a model must end in .onnx; got .pth" in capsys.readouterr().err
    assert tool("export.py", *start, tmp_path, "--out", tmp_path / "model.onnx") == 2
    assert "holds no photo" in capsys.readouterr().err


def test_mmpretrains_own_inferencer_answers_the_same(model, drawn, tested):
    inferencer = ImageClassificationInferencer(str(model[0]), pretrained=str(model[1]))
    paths = [str(drawn / image) for image in tested["image"]]
    answers = inferencer(paths, batch_size=16)
    scores = np.stack([answer["pred_scores"] for answer in answers])
    np.testing.assert_allclose(scores, probabilities(tested), atol=TOLERANCE)
    labels = probabilities(tested).argmax(axis=1)
    assert [answer["pred_class"] for answer in answers] == [CLASSES[label] for label in labels]
    (of_pixels,) = inferencer(cv2.imread(paths[0]))
    np.testing.assert_allclose(of_pixels["pred_scores"], scores[0], atol=TOLERANCE)
    cfg = load_config(TINY, {"preprocessing.size": SIZE})  # a config of ours, not the run's copy
    (composed,) = ImageClassificationInferencer(cfg, pretrained=str(model[1]))(paths[0])
    np.testing.assert_allclose(composed["pred_scores"], scores[0], atol=TOLERANCE)
