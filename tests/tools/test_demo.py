"""tools/demo.py from the command line, on drawn faces and on what is no model."""

import runpy
import sys

import cv2
import numpy as np
import onnx
import pytest

from mmmask.tables import FACE_ANSWERS, read_table
from tests.tiny_models import tiny_checkpoint

from .conftest import ROOT, call


def demo(capsys, *arguments: object) -> tuple[int, str, str]:
    """Run tools/demo.py in this process; return its exit status and what it printed."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr("sys.argv", ["demo.py", *map(str, arguments)])
        runpy.run_path(str(ROOT / "tools" / "demo.py"), run_name="__main__")
    return ended.value.code, *capsys.readouterr()


def test_a_folder_and_a_video_of_drawn_faces_are_answered(drawn, tmp_path, capsys):
    model, folder = tiny_checkpoint(tmp_path), drawn / "eval"
    out = tmp_path / "faces.parquet"
    status, said, _ = demo(capsys, *model, "--photos", folder, "--out", out)
    table = read_table(out, FACE_ANSWERS)
    assert status == 0
    assert f"{len(table)} faces in 42 photos" in said
    assert "Faces are found by" in said or "No face detector is installed" in said
    photos = [cv2.imread(str(path)) for path in sorted(folder.glob("images/*"))[:6]]
    source, out = tmp_path / "drawn.avi", tmp_path / "framed.mp4"
    video = cv2.VideoWriter(str(source), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (48, 64))
    for photo in np.repeat(photos, 2, axis=0):
        video.write(photo)
    video.release()
    status, said, _ = demo(capsys, *model, "--video", source, "--out", out)
    assert status == 0
    assert f"{out}: 12 frames, 6 of them looked at" in said
    written = cv2.VideoCapture(str(out))
    assert written.get(cv2.CAP_PROP_FPS) == 10
    assert sum(iter(lambda: written.read()[0], False)) == 12


def test_hostile_models_get_one_sentence(make_onnx, tmp_path, capsys):
    model, path = make_onnx().read_bytes(), tmp_path / "hostile.onnx"
    proto = onnx.load_from_string(model)
    proto.opset_import[0].version = 99
    opset = proto.SerializeToString()
    proto.opset_import[0].version, proto.ir_version = 18, 999
    newer = proto.SerializeToString()
    proto.ir_version = 10
    del proto.metadata_props[:]
    contents = {
        "not a model that onnxruntime can load: Protobuf parsing failed": (
            *(np.random.default_rng(0).bytes(4096), model[:-200]),
        ),
        "not a model that onnxruntime can load: No graph was found": (b"",),
        "pset 99": (opset,),
        "onnxruntime can load: Unsupported model IR version: 999": (newer,),
        "a model that tools/export.py wrote is needed": (proto.SerializeToString(),),
    }
    rest = "--photos", tmp_path, "--out", tmp_path / "out.csv"
    for sentence, files in contents.items():
        for content in files:
            path.write_bytes(content)
            status, _, said = demo(capsys, path, *rest)
            assert (status, said.count("\n")) == (2, 1), said
            assert said.startswith(f"error: {path}: "), said
            assert sentence in said, said
            assert "[ONNXRuntimeError]" not in said, said
    assert not (tmp_path / "out.csv").exists()


def test_of_a_broken_video_one_sentence_is_said_and_none_by_ffmpeg(tmp_path):
    video = tmp_path / "broken.mp4"
    video.write_bytes(bytes(range(256)) * 40)
    code = f"""
from mmmask.cli import command
from mmmask.workflows.demo.answer import answer_video
from tests.tiny_models import colour_reader

raise SystemExit(command(lambda: answer_video(colour_reader(), {str(video)!r}, "out.mp4")))
"""
    done = call(sys.executable, "-c", code)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {video}: not a video that OpenCV can read\n"
