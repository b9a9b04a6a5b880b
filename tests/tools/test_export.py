"""What leaves the checkpoint, as ONNX or through MMPretrain's inferencer, says what it says."""

import numpy as np
import onnx
import pytest

from mmmask.labels import CLASSES
from mmmask.predictor import Predictor
from mmmask.tables import PREDICTIONS, probabilities, read_table

from .conftest import tool


@pytest.fixture(scope="module")
def tested(run, tmp_path_factory):
    """What tools/test.py says of the photos in eval/."""
    out = tmp_path_factory.mktemp("tested") / "eval.parquet"
    done = tool("test.py", run.config, run.best, "--data-root", run.data, "--out", out)
    assert done.returncode == 0, done.stderr
    return read_table(out, PREDICTIONS)


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    done = tool(
        *("export.py", run.config, run.best, "--data-root", run.data),
        *("--out", folder / "model.onnx", "--int8", folder / "int8.onnx"),
    )
    assert done.returncode == 0, done.stderr
    return folder, " ".join(done.stdout.split())


def test_the_exported_model_predicts_what_the_checkpoint_predicts(run, tested, exported):
    table = Predictor(exported[0] / "model.onnx")([run.data / image for image in tested["image"]])
    np.testing.assert_allclose(probabilities(table), probabilities(tested), atol=1e-5)
    ours, theirs = table.attrs["provenance"], tested.attrs["provenance"]
    for key in ("checkpoint_hash", "preprocessing", "old_from", "tta"):
        assert ours[key] == theirs[key], key


def test_the_largest_difference_and_the_cost_of_int8_are_stated(exported):
    folder, text = exported
    for words in ("100.0% of 64", "macro F1 on 5 people held out", "int8 minus ONNX", "model.onnx"):
        assert words in text, text
    size = {name: (folder / f"{name}.onnx").stat().st_size for name in ("model", "int8")}
    assert size["int8"] < 0.5 * size["model"]


def test_the_int8_model_is_one_of_ours_and_close(run, tested, exported):
    path = exported[0] / "int8.onnx"
    operators = {node.op_type for node in onnx.load(path).graph.node}
    assert operators >= {"QuantizeLinear", "DequantizeLinear", "Conv"}
    table = Predictor(path)([run.data / image for image in tested["image"]])
    assert 0 < np.abs(probabilities(table) - probabilities(tested)).mean() < 0.05


def test_nothing_is_written_where_the_answers_differ(run, tmp_path, monkeypatch):
    from mmmask.errors import InputError
    from mmmask.workflows import export as workflow

    monkeypatch.setattr(workflow, "TOLERANCE", 1e-12)
    out = tmp_path / "model.onnx"
    with pytest.raises(InputError, match=r"not written, as its probabilities differ .* 64 photos"):
        workflow.export(run.config, run.best, out, data_root=str(run.data))
    assert list(tmp_path.iterdir()) == []


def test_a_model_of_everybody_has_nobody_to_score_int8(run, tmp_path, refused):
    import torch

    from mmmask.engine.checkpoints import load_checkpoint_file

    content = load_checkpoint_file(run.best)
    content["meta"]["trained_on"] = "all"
    torch.save(content, tmp_path / "all.pth")
    out = tmp_path / "model.onnx"
    line = refused(
        *("export.py", run.config, tmp_path / "all.pth", "--data-root", run.data),
        *("--out", out, "--int8", tmp_path / "int8.onnx"),
    )
    assert "nobody is held out" in line
    assert not out.exists()


def test_mmpretrains_own_inferencer_answers_the_same(run, tested):
    import cv2
    from mmpretrain import ImageClassificationInferencer

    inferencer = ImageClassificationInferencer(str(run.config), pretrained=str(run.best))
    paths = [str(run.data / image) for image in tested["image"]]
    answers = inferencer(paths, batch_size=16)
    scores = np.stack([answer["pred_scores"] for answer in answers])
    np.testing.assert_allclose(scores, probabilities(tested), atol=1e-5)
    labels = probabilities(tested).argmax(axis=1)
    assert [answer["pred_class"] for answer in answers] == [CLASSES[label] for label in labels]
    (of_pixels,) = inferencer(cv2.imread(paths[0]))
    np.testing.assert_allclose(of_pixels["pred_scores"], scores[0], atol=1e-6)
