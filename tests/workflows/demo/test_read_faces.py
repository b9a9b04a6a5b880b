import sys

import cv2
import numpy as np
import pytest

from mmmask.errors import InputError
from mmmask.tables import FACE_ANSWERS, probabilities, read_table
from mmmask.workflows.demo.answer import answer_photos, open_reader
from mmmask.workflows.demo.face_finder import FaceFinder
from mmmask.workflows.demo.read_faces import MOST_FACES, FaceReader
from tests.tiny_models import colour_reader, colours


def reader(boxes, scores=None) -> FaceReader:
    """Return a reader that finds these faces in any photo."""
    boxes = np.reshape(np.array(boxes, dtype=float), (-1, 4))
    found = boxes, np.ones(len(boxes)) if scores is None else np.array(scores)
    return FaceReader(colour_reader().predictor, FaceFinder("a rule", lambda photo: found))


def test_a_portrait_is_seen_whole_and_others_around_the_face():
    photo = np.full((80, 60, 3), 9, dtype=np.uint8)
    ((face,), _) = reader([15, 20, 45, 60])(photo)
    assert face.region.shape == (80, 60, 3)
    ((small,), _) = reader([25, 30, 34, 42])(photo)  # too small for a portrait
    assert small.region.shape == (19, 14, 3)  # 0.3 more on each side, in the network's shape
    wide = np.full((80, 160, 3), 9, dtype=np.uint8)
    ((beside,), _) = reader([15, 20, 45, 60])(wide)
    assert beside.region.shape == (64, 48, 3)
    assert beside.seen.shape == (8, 6, 3)


def test_faces_are_answered_from_left_to_right_and_the_surest_if_there_are_too_many():
    faces, predictions = reader([[70, 20, 110, 70], [10, 20, 50, 70]])(colours("blue", "red"))
    assert [face.box[0] for face in faces] == [10, 70]
    assert probabilities(predictions).argmax(axis=1).tolist() == [2, 16]
    many = [[left, 0, left + 1, 1] for left in range(MOST_FACES + 5)]
    faces, predictions = reader(many, np.linspace(0, 1, len(many)))(colours("blue"))
    assert len(predictions) == MOST_FACES
    assert [face.box[0] for face in faces] == list(range(5, MOST_FACES + 5))


def test_a_photo_without_a_face_is_taken_whole():
    (face,), predictions = reader([])(colours("green"))
    assert (face.box, face.score) == (None, None)
    assert probabilities(predictions).argmax() == 9


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "photos"
    (folder / "inside").mkdir(parents=True)
    for name, photo in {
        "one.png": colours("green"),
        "inside/two.png": colours("blue", "red"),
        "dark.png": np.zeros((80, 60, 3), dtype=np.uint8),
    }.items():
        cv2.imwrite(str(folder / name), photo)
    return folder


def test_a_folder_becomes_a_table_with_a_row_for_each_face(folder, tmp_path):
    answer_photos(colour_reader(), folder, tmp_path / "faces.csv")
    table = read_table(tmp_path / "faces.csv", FACE_ANSWERS).set_index(["image", "face"])
    assert table["answer"].drop("dark.png").to_dict() == {
        ("inside/two.png", 0): 2,
        ("inside/two.png", 1): 16,
        ("one.png", 0): 9,
    }
    assert table.loc[("inside/two.png", 1), ["x0", "y0", "x1", "y1"]].tolist() == [72, 16, 108, 72]
    assert table.loc["dark.png", ["x0", "score"]].isna().all(axis=None)


def test_photos_that_cannot_be_read_are_all_named_or_left_out(folder, tmp_path, caplog):
    for name in ("a.jpg", "inside/b.jpg"):
        (folder / name).write_bytes(b"not a photo")
    out = tmp_path / "faces.csv"
    with pytest.raises(InputError, match=r"a\.jpg: not a .*/b\.jpg; --unreadable skip leaves them"):
        answer_photos(colour_reader(), folder, out)
    assert not out.exists()
    answer_photos(colour_reader(), folder, out, unreadable="skip")
    assert set(read_table(out, FACE_ANSWERS)["image"]) == {"dark.png", "inside/two.png", "one.png"}
    (record,) = caplog.records
    assert "2 of 5 photos cannot be read and are left out" in record.message
    for photo in folder.rglob("*.png"):
        photo.write_bytes(b"")
    with pytest.raises(InputError, match="none of its 5 photos can be read"):
        answer_photos(colour_reader(), folder, out, unreadable="skip")


def test_a_folder_becomes_a_sheet_of_faces(folder, tmp_path):
    pytest.importorskip("matplotlib")
    answer_photos(colour_reader(), folder, tmp_path / "sheet.png")
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    for colour in ((0, 255, 0), (255, 0, 0), (0, 0, 255)):
        assert (np.abs(sheet.astype(int) - colour).max(axis=2) < 8).sum() > 500


def test_a_sheet_without_matplotlib_is_refused_before_the_work(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(InputError, match=r"sheet\.png: a sheet needs matplotlib: pip install"):
        answer_photos(colour_reader(), folder, tmp_path / "sheet.png")


def test_an_out_that_is_neither_and_a_folder_without_photos_are_refused(folder, tmp_path):
    with pytest.raises(
        InputError, match=r"faces\.txt: must end in \.csv, \.parquet, \.png or \.jpg"
    ):
        answer_photos(colour_reader(), folder, tmp_path / "faces.txt")
    with pytest.raises(InputError, match=r"sheet\.png: must not lie in .*, whose pictures are"):
        answer_photos(colour_reader(), folder, folder / "new" / "sheet.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no photo"):
        answer_photos(colour_reader(), tmp_path / "empty", tmp_path / "faces.csv")


def test_a_model_is_an_exported_one_or_a_config_with_its_checkpoint(make_onnx, monkeypatch):
    finder = colour_reader().finder
    monkeypatch.setattr("mmmask.workflows.demo.answer.installed_finder", lambda device: finder)
    with pytest.raises(InputError, match=r"config\.py: give its checkpoint too"):
        open_reader("config.py")
    with pytest.raises(InputError, match="an exported model is given alone"):
        open_reader("model.onnx", "checkpoint.pth")
    with pytest.raises(InputError, match="an exported model is given alone"):
        open_reader("model.onnx", options=["a=1"])
    assert not open_reader(make_onnx()).explains
