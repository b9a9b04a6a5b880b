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

from mmmask.config import load_config, parse_options
from mmmask.engine.checkpoints import load_checkpoint_file
from mmmask.labels import CLASSES
from mmmask.predictor import Predictor
from mmmask.tables import PREDICTIONS, probabilities, read_table

from .conftest import CONFIG, ROOT, SMALL, tool


@pytest.fixture(scope="module")
def tested(run, tmp_path_factory):
    """What tools/test.py says of the photos in eval/."""
    out = tmp_path_factory.mktemp("tested") / "eval.parquet"
    done = tool("test.py", run.config, run.best, "--data-root", run.data, "--out", out)
    assert done.returncode == 0, done.stderr
    return read_table(out, PREDICTIONS)


def export(*arguments: object) -> int:
    """Run tools/export.py in this process; return its exit status."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr("sys.argv", ["export.py", *map(str, arguments)])
        runpy.run_path(str(ROOT / "tools" / "export.py"), run_name="__main__")
    return ended.value.code


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    folder, said = tmp_path_factory.mktemp("exported"), io.StringIO()
    with contextlib.redirect_stdout(said):
        status = export(
            *(run.config, run.best, "--data-root", run.data),
            *("--out", folder / "model.onnx", "--int8", folder / "int8.onnx", "--held-out"),
        )
    assert status == 0
    return folder, " ".join(said.getvalue().split())


def test_the_exported_model_predicts_what_the_checkpoint_predicts(run, tested, exported):
    table = Predictor(exported[0] / "model.onnx")([run.data / image for image in tested["image"]])
    np.testing.assert_allclose(probabilities(table), probabilities(tested), atol=1e-5)
    ours, theirs = table.attrs["provenance"], tested.attrs["provenance"]
    for key in ("checkpoint_hash", "preprocessing", "old_from", "tta"):
        assert ours[key] == theirs[key], key


def test_the_largest_difference_and_the_cost_of_int8_are_stated(exported):
    folder, text = exported
    for words in (
        "100.0% of 35", "macro F1 on 5 people held out: checkpoint ", "held out: ONNX ",
        "ONNX minus checkpoint 0.000 [0.000, 0.000]: no difference is shown", "int8 minus ONNX ",
        "model.onnx",
    ):  # fmt: skip
        assert words in text, text
    size = {name: (folder / f"{name}.onnx").stat().st_size for name in ("model", "int8")}
    assert size["int8"] < 0.5 * size["model"]


def test_the_int8_model_is_one_of_ours_and_close(run, tested, exported):
    path = exported[0] / "int8.onnx"
    operators = {node.op_type for node in onnx.load(path).graph.node}
    assert operators >= {"QuantizeLinear", "DequantizeLinear", "Conv"}
    table = Predictor(path)([run.data / image for image in tested["image"]])
    assert 0 < np.abs(probabilities(table) - probabilities(tested)).mean() < 0.05


def test_nothing_is_written_where_the_answers_differ(run, exported, tmp_path, monkeypatch, capsys):
    import mmmask.deploy.graph

    model = onnx.load(exported[0] / "model.onnx")
    (bias,) = [part for part in model.graph.initializer if part.name == "std"]
    bias.CopyFrom(onnx.numpy_helper.from_array(0.1 * onnx.numpy_helper.to_array(bias), "std"))
    monkeypatch.setattr(
        mmmask.deploy.graph, "write_graph", lambda net, facts, path, opset: onnx.save(model, path)
    )
    out = tmp_path / "model.onnx"
    assert export(run.config, run.best, "--data-root", run.data, "--out", out) == 2
    assert "model.onnx: not written, as its probabilities differ" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_model_of_everybody_has_nobody_to_score_int8(run, tmp_path, capsys):
    content = load_checkpoint_file(run.best)
    content["meta"]["trained_on"] = "all"
    torch.save(content, tmp_path / "all.pth")
    outputs = "--out", tmp_path / "model.onnx", "--int8", tmp_path / "int8.onnx"
    assert export(run.config, tmp_path / "all.pth", "--data-root", run.data, *outputs) == 2
    assert "nobody is held out" in capsys.readouterr().err
    assert not (tmp_path / "model.onnx").exists()


def test_a_name_that_is_no_models_and_a_folder_without_photos_are_refused(run, tmp_path, capsys):
    start = run.config, run.best, "--data-root"
    assert export(*start, run.data, "--out", tmp_path / "model.pth") == 2
    assert "a model ends in .onnx, got .pth" in capsys.readouterr().err
    assert export(*start, tmp_path, "--out", tmp_path / "model.onnx") == 2
    assert "holds no photo" in capsys.readouterr().err


def test_mmpretrains_own_inferencer_answers_the_same(run, tested):
    inferencer = ImageClassificationInferencer(str(run.config), pretrained=str(run.best))
    paths = [str(run.data / image) for image in tested["image"]]
    answers = inferencer(paths, batch_size=16)
    scores = np.stack([answer["pred_scores"] for answer in answers])
    np.testing.assert_allclose(scores, probabilities(tested), atol=1e-5)
    labels = probabilities(tested).argmax(axis=1)
    assert [answer["pred_class"] for answer in answers] == [CLASSES[label] for label in labels]
    (of_pixels,) = inferencer(cv2.imread(paths[0]))
    np.testing.assert_allclose(of_pixels["pred_scores"], scores[0], atol=1e-6)
    cfg = load_config(ROOT / CONFIG, parse_options(SMALL))  # a config of ours, not the run's copy
    (composed,) = ImageClassificationInferencer(cfg, pretrained=str(run.best))(paths[0])
    np.testing.assert_allclose(composed["pred_scores"], scores[0], atol=1e-6)
