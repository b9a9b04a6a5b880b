import numpy as np
import pytest

from mmmask.datasets.layout import find_photos
from mmmask.errors import InputError
from mmmask.tables import BOXES, read_table
from mmmask.workflows import detect_faces as workflow
from mmmask.workflows.detect_faces import build_detector, detect_faces, find_face

PEOPLE = [(f"{i:06d}", "male", 20) for i in range(2)]


class Detector:
    """Finds a face in bright photos, in the middle of what it is shown."""

    def __init__(self) -> None:
        self.shapes: list[tuple] = []

    def detect(self, photo):
        self.shapes.append(photo.shape)
        if photo.mean() < 10:
            return None, [None]
        height, width = photo.shape[:2]
        box = [0.25 * width, 0.25 * height, 0.75 * width, 1.5 * height]
        return np.array([box]), np.array([0.9])


def test_a_box_is_in_pixels_of_the_photo_and_inside_it():
    photo = np.full((800, 600, 3), 200, dtype=np.uint8)
    detector = Detector()
    box, score = find_face(detector, photo)
    assert detector.shapes == [(320, 240, 3)]
    np.testing.assert_allclose(box, [150, 200, 450, 800])
    assert score == 0.9


def test_a_small_photo_is_not_enlarged_and_may_have_no_face():
    detector = Detector()
    box, score = find_face(detector, np.zeros((30, 20, 3), dtype=np.uint8))
    assert detector.shapes == [(30, 20, 3)]
    assert np.isnan([*box, score]).all()


@pytest.mark.parametrize("shape", [(1, 1), (19, 30), (9000, 300), (1, 9000)])
def test_a_photo_in_which_no_face_can_be_seen_is_not_shown_to_the_detector(shape):
    """MTCNN fails on a picture with a side of less than 20 pixels, also once it is shrunk."""
    detector = Detector()
    box, score = find_face(detector, np.full((*shape, 3), 200, dtype=np.uint8))
    assert np.isnan([*box, score]).all()
    assert detector.shapes == []


def test_the_detector_sees_rgb():
    seen = []

    class Keep(Detector):
        def detect(self, photo):
            seen.append(photo)
            return None, [None]

    photo = np.zeros((40, 40, 3), dtype=np.uint8)
    photo[..., 0] = 255  # blue
    find_face(Keep(), photo)
    assert seen[0][0, 0].tolist() == [0, 0, 255]


def test_every_photo_has_a_row_and_an_interrupted_search_goes_on(
    make_layout, tmp_path, monkeypatch
):
    root, out = make_layout(PEOPLE, eval_photos=3), tmp_path / "boxes.parquet"
    detector = Detector()
    monkeypatch.setattr(workflow, "build_detector", lambda device: detector)
    monkeypatch.setattr(workflow, "_SAVE_EVERY", 5)
    detect = detector.detect

    def interrupted(photo):
        if len(detector.shapes) == 12:
            raise KeyboardInterrupt
        return detect(photo)

    detector.detect = interrupted
    with pytest.raises(KeyboardInterrupt):
        detect_faces(root, out)
    assert len(read_table(out, BOXES)) == 10
    detector.detect = detect
    detect_faces(root, out)
    assert len(detector.shapes) == 12 + 7
    table = read_table(out, BOXES)
    assert sorted(table["image"]) == sorted(find_photos(root)["image"])
    assert (table[["width", "height"]] == (24, 32)).all(axis=None)
    assert len(table.attrs["provenance"]["data_fingerprint"]) == 64


def test_the_photos_of_a_table_are_looked_at(make_layout, tmp_path, monkeypatch):
    root = make_layout(PEOPLE)
    images = sorted(find_photos(root)["image"])[:3]
    table, out = root / "some.csv", tmp_path / "boxes.csv"
    table.write_text("image,mask\n" + "".join(f"{image},wear\n" for image in images))
    monkeypatch.setattr(workflow, "build_detector", lambda device: Detector())
    detect_faces(table, out)
    assert read_table(out, BOXES)["image"].tolist() == images


def test_without_the_detector_the_command_to_install_it_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "facenet_pytorch", None)
    with pytest.raises(InputError, match="pip install --no-deps facenet-pytorch"):
        build_detector("cpu")


@pytest.mark.faces
def test_nearly_all_real_faces_are_found(faces):
    pytest.importorskip("facenet_pytorch")
    import cv2

    detector = build_detector("cpu")
    people = sorted((faces / "train" / "images").iterdir())[::60]
    photos = [cv2.imread(str(next(person.glob("normal.*")))) for person in people]
    found = [find_face(detector, photo)[0] for photo in photos]
    assert np.mean([not np.isnan(box).any() for box in found]) > 0.9
