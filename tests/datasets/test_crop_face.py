from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmmask.datasets.crop_face import CropFace
from mmmask.datasets.face_boxes import described, read_boxes
from mmmask.datasets.face_window import face_window
from mmmask.errors import InputError, MissingFileError
from mmmask.tables import BOXES, write_table

ROOT = "data"


def table(**faces):
    """Photos of 100 x 200 (w x h) with the given boxes; None has no face."""
    rows = [
        {
            "image": f"{name}.jpg",
            "width": 100,
            "height": 200,
            **dict(zip(("x0", "y0", "x1", "y1"), box or [np.nan] * 4, strict=True)),
            "score": np.nan if box is None else 0.9,
        }
        for name, box in faces.items()
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def boxes(tmp_path):
    path = tmp_path / "boxes.parquet"
    write_table(path, table(a=(40, 50, 60, 80), b=None, c=(20, 30, 60, 90)), BOXES)
    return path


def crop(path, image, shape=(200, 100), **options):
    photo = np.arange(shape[0] * shape[1] * 3, dtype=np.int64).reshape(*shape, 3)
    step = CropFace(boxes=str(path), data_root=ROOT, aspect=1.5, **options)
    return photo, step.transform({"img_path": f"{ROOT}/{image}.jpg", "img": photo})["img"]


def test_the_window_is_the_box_and_its_margin(boxes):
    photo, cropped = crop(boxes, "a", margin=0.5)  # 20 x 30 (w x h) grows to 40 x 60
    np.testing.assert_array_equal(cropped, photo[35:95, 30:70])


@pytest.mark.parametrize("root", ["data/", "./data", "data/../data/."])
def test_the_folder_may_be_spelled_in_other_ways(boxes, root):
    photo = np.zeros((200, 100, 3), dtype=np.uint8)
    step = CropFace(boxes=str(boxes), data_root=root, aspect=1.5)
    results = step.transform({"img_path": str(Path(root) / "a.jpg"), "img": photo})
    assert results["img_shape"] != (200, 100)


def test_a_photo_from_elsewhere_is_found_by_its_full_path(tmp_path):
    outside = table(**{str(tmp_path / "a"): (40, 50, 60, 80)})
    write_table(tmp_path / "boxes.parquet", outside, BOXES)
    step = CropFace(boxes=str(tmp_path / "boxes.parquet"), data_root=ROOT, aspect=1.5)
    photo = np.zeros((200, 100, 3), dtype=np.uint8)
    step.transform({"img_path": str(tmp_path / "a.jpg"), "img": photo})
    with pytest.raises(InputError, match="photos from elsewhere, by their full path"):
        step.transform({"img_path": str(tmp_path / "b.jpg"), "img": photo})


@given(
    st.floats(-20, 90), st.floats(-20, 190), st.floats(1, 150), st.floats(1, 250),
    st.floats(0, 1), st.floats(0.5, 2),
)  # fmt: skip
def test_the_window_lies_inside_the_photo_and_keeps_the_aspect(x, y, width, height, margin, aspect):
    rows, columns = face_window(
        (x, y, x + width, y + height), (200, 100), margin=margin, aspect=aspect
    )
    assert 0 <= rows.start < rows.stop <= 200
    assert 0 <= columns.start < columns.stop <= 100
    found = rows.stop - rows.start, columns.stop - columns.start
    assert found[0] == pytest.approx(found[1] * aspect, abs=1 + aspect)


def test_the_shorter_side_grows_around_the_middle_of_the_face():
    rows, columns = face_window((40, 90, 60, 110), (200, 100), margin=0, aspect=2)
    assert (rows.start, rows.stop, columns.start, columns.stop) == (80, 120, 40, 60)


def test_a_window_at_the_edge_is_moved_inside_not_cut():
    rows, columns = face_window((0, 0, 20, 30), (200, 100), margin=0.5, aspect=1.5)
    assert (rows.start, rows.stop, columns.start, columns.stop) == (0, 60, 0, 40)


@pytest.mark.parametrize(
    ("fallback", "expected"),
    [
        ("center", (slice(25, 175), slice(0, 100))),
        ("typical", (slice(28, 97), slice(22, 68))),  # median box 30..60 x 40..85
        ("whole", (slice(0, 200), slice(0, 100))),
    ],
)
def test_a_photo_without_a_face_takes_the_stated_fallback(boxes, fallback, expected):
    photo, cropped = crop(boxes, "b", margin=0.25, fallback=fallback)
    np.testing.assert_allclose(cropped.shape, photo[expected].shape, atol=1)
    np.testing.assert_allclose(cropped[0, 0], photo[expected][0, 0], atol=310)


def test_a_photo_that_is_not_listed_is_named(boxes):
    with pytest.raises(InputError, match=r"no row for d\.jpg; run tools/detect_faces\.py"):
        crop(boxes, "d")


def test_a_photo_of_another_size_than_when_faces_were_sought_is_named(boxes):
    with pytest.raises(InputError, match=r"a\.jpg had \(200, 100\) .* now \(100, 200\)"):
        crop(boxes, "a", shape=(100, 200))


@pytest.mark.parametrize(
    ("option", "sentence"),
    [({"margin": -1}, r"margin must be at least 0; got -1"), ({"fallback": "x"}, "got 'x'")],
)
def test_options_out_of_range_are_named(boxes, option, sentence):
    with pytest.raises(InputError, match=sentence):
        crop(boxes, "a", **option)


def test_a_table_is_read_once_by_all_its_readers(boxes):
    assert read_boxes(boxes) is read_boxes(str(boxes))


def test_the_fingerprint_is_of_the_content_and_not_of_path_order_or_format(boxes, tmp_path):
    first = read_boxes(boxes).fingerprint
    same = table(c=(20, 30, 60, 90), a=(40, 50, 60, 80), b=None)
    for name in ("moved.parquet", "moved.csv"):
        write_table(tmp_path / name, same, BOXES)
        assert read_boxes(tmp_path / name).fingerprint == first
    write_table(boxes, table(a=(40, 50, 60, 81), b=None, c=(20, 30, 60, 90)), BOXES)
    assert read_boxes(boxes).fingerprint != first


def test_a_preprocessing_is_described_by_the_content_of_its_boxes(boxes, tmp_path):
    moved = tmp_path / "moved.parquet"
    moved.write_bytes(boxes.read_bytes())
    one, other = (
        described({"size": (3, 4), "faces": {"boxes": str(path), "margin": 0.3}})
        for path in (boxes, moved)
    )
    assert one == other
    assert one["faces"]["margin"] == 0.3
    assert described({"size": (3, 4)}) == {"size": (3, 4)}


@pytest.mark.parametrize(
    ("faces", "sentence"),
    [
        ({"a": None}, "none of its 1 photos has a face"),
        ({"a": (5, 5, 5, 9)}, "the box of a.jpg must have x0 < x1"),
        ({"a": (1, 2, 5, 9), "b": (5, 5, np.nan, 9)}, "box of b.jpg must have all of x0, y0, x1"),
    ],
)
def test_tables_without_use_are_refused(tmp_path, faces, sentence):
    write_table(tmp_path / "b.csv", table(**faces), BOXES)
    with pytest.raises(InputError, match=sentence):
        read_boxes(tmp_path / "b.csv")


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"gone\.parquet: no such file"):
        read_boxes(tmp_path / "gone.parquet")
