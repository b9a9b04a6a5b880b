"""Rows of photos in a file: whole, in order, and of one kind."""

import itertools

import numpy as np
import pyarrow as pa
import pytest

from mmmask.datasets.features import read_features
from mmmask.datasets.photo_store import PhotoStore, StalePackError, write_store
from mmmask.errors import InputError

IMAGES = [f"{number:04d}.jpg" for number in range(600)]


@pytest.fixture
def stored(tmp_path):
    for image in IMAGES:
        (tmp_path / image).touch()
    rows = np.random.default_rng(0).normal(size=(600, 3)).astype(np.float32)

    def write(kind: str, sizes: list[int]):
        edges = np.cumsum([0, *sizes])
        batches = [rows[a:b] for a, b in itertools.pairwise(edges)]
        path = tmp_path / "rows.arrow"
        facts = {"data_root": tmp_path, "made_by": {"a": 1}, "kind": kind}
        write_store(path, IMAGES, batches, shape=(3,), dtype=np.float32, **facts)
        return path, rows

    return write


@pytest.mark.parametrize("sizes", [[600], [8] * 75, [255, 2, 343], [256, 256, 88]])
def test_rows_come_back_in_the_order_asked_for_whatever_the_batches(stored, sizes) -> None:
    path, rows = stored("rows", sizes)
    order = np.random.default_rng(1).permutation(600)[:300]
    images = [IMAGES[row] for row in order]
    made = {"made_by": {"a": 1}, "kind": "rows", "maker": "a tool"}
    store = PhotoStore(path, images, data_root=path.parent, **made)
    np.testing.assert_array_equal(store.array(), rows[order])
    np.testing.assert_array_equal([store[row] for row in range(300)], rows[order])


def test_features_are_read_by_photo_and_told_from_a_pack(stored) -> None:
    path, rows = stored("file of features", [600])
    features = read_features(path)
    np.testing.assert_array_equal(features.of(IMAGES[5:2:-1]), rows[5:2:-1])
    with pytest.raises(InputError, match=r"1 of 2 photos are not in it, the first is x\.jpg"):
        features.of(["x.jpg", IMAGES[0]])
    other, _ = stored("pack of photos", [600])
    with pytest.raises(InputError, match="not a file of features: it is a pack of photos"):
        read_features(other)


def test_a_damaged_row_is_named_and_the_others_are_read(stored) -> None:
    path, rows = stored("rows", [600])
    path.write_bytes(path.read_bytes().replace(rows[300].tobytes(), bytes(12)))
    facts = {"data_root": path.parent, "made_by": {"a": 1}, "kind": "rows", "maker": "a tool"}
    store = PhotoStore(path, IMAGES, **facts)
    np.testing.assert_array_equal(store[299], rows[299])
    with pytest.raises(InputError, match=r"rows\.arrow: damaged, its row of 0300\.jpg is not as"):
        store[300]
    with pytest.raises(StalePackError, match=r"0300\.jpg"):  # so that it is made anew
        store.array()


def test_a_file_of_an_older_version_is_stale(stored) -> None:
    path, _ = stored("rows", [600])
    with pa.OSFile(str(path)) as source:
        table = pa.ipc.open_file(source).read_all().drop_columns(["crc32"])
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    facts = {"data_root": path.parent, "made_by": {"a": 1}, "kind": "rows", "maker": "a tool"}
    with pytest.raises(StalePackError, match="an older version made it, without sums"):
        PhotoStore(path, IMAGES, **facts)
