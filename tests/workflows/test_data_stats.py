from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from mmmask.config import load_config
from mmmask.datasets.mask_faces import MaskFaceDataset
from mmmask.errors import InputError
from mmmask.tables import BOXES, OUTLIERS, read_table, write_table
from mmmask.workflows.data_stats import data_stats

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "configs/mobilenet_v2_linear.py"
PEOPLE = [(f"{number:06d}", "male", 20 + number) for number in range(10)]


@pytest.fixture
def root(make_layout):
    return make_layout(PEOPLE)


def photo(root, person: int, stem: str):
    number, gender, age = PEOPLE[person]
    return root / f"train/images/{number}_{gender}_Asian_{age}/{stem}.jpg"


def name(root, path) -> str:
    return path.relative_to(root).as_posix()


def test_mean_and_std_are_those_of_all_pixels_of_the_photos_trained_on(root) -> None:
    options = ["preprocessing.size=(16,24)", "preprocessing.crop=(0.5,1.0)", "data.fold=2"]
    stats = data_stats(root, config=CONFIG, options=options)
    train = MaskFaceDataset(str(root), split="train", fold=2)
    pixels = np.concatenate(
        [cv2.imread(str(root / image))[8:24].reshape(-1, 3) for image in train.samples["image"]]
    )[:, ::-1]  # half of the height of 32, no resize
    np.testing.assert_allclose(stats.mean, pixels.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(stats.std, pixels.std(axis=0), rtol=1e-9)
    assert (stats.trained, stats.photos) == (56, 70)


def test_colours_are_those_of_the_faces_where_a_config_crops_to_them(root, tmp_path) -> None:
    images = MaskFaceDataset(str(root), split="all").samples["image"]
    for image in images:
        grey = np.full((32, 24, 3), 20, dtype=np.uint8)
        grey[8:24, 6:18] = 220
        cv2.imwrite(str(root / image), grey, [cv2.IMWRITE_JPEG_QUALITY, 100])
    face = {"width": 24, "height": 32, "x0": 6, "y0": 8, "x1": 18, "y1": 24, "score": 1.0}
    boxes = tmp_path / "boxes.parquet"
    write_table(boxes, pd.DataFrame({"image": images, **face}), BOXES)
    leaf = tmp_path / "leaf.py"
    faces = {"boxes": str(boxes), "margin": 0}
    leaf.write_text(f"_base_ = ['{CONFIG}']\npreprocessing = dict(size=(16, 12), faces={faces})\n")
    np.testing.assert_allclose(data_stats(root, config=leaf).mean, 220, atol=2)
    write_table(boxes, pd.DataFrame({"image": images[1:], **face}), BOXES)
    with pytest.raises(InputError, match="no row for"):
        data_stats(root, config=leaf)


def test_the_printed_lines_are_a_block_of_a_config(root, tmp_path) -> None:
    stats = data_stats(root)
    block = stats.in_words().split("\noutliers")[0]
    path = tmp_path / "leaf.py"
    path.write_text(f"_base_ = ['{CONFIG}']\n{block}\n")
    cfg = load_config(path)
    np.testing.assert_allclose(cfg.model.data_preprocessor.mean, stats.mean, atol=0.001)
    np.testing.assert_allclose(cfg.preprocessing.std, stats.std, atol=0.001)
    assert cfg.preprocessing["size"] == (160, 120)


def test_dark_small_broken_and_doubled_photos_are_listed_with_the_reason(root, tmp_path) -> None:
    cv2.imwrite(str(photo(root, 0, "mask1")), np.full((32, 24, 3), 9, dtype=np.uint8))
    cv2.imwrite(str(photo(root, 1, "mask1")), np.full((32, 10, 3), 90, dtype=np.uint8))
    photo(root, 2, "mask1").write_bytes(b"broken")
    photo(root, 4, "normal").write_bytes(photo(root, 3, "mask2").read_bytes())
    photo(root, 5, "mask4").write_bytes(photo(root, 5, "mask3").read_bytes())  # one person: no
    out = tmp_path / "outliers.csv"
    data_stats(root, out=out, small=24, alike=0, dark=30)
    table = read_table(out, OUTLIERS)
    found = {
        (row.image, row.reason): (row.value, row.of)
        for row in table.itertuples()
        if row.image != name(root, photo(root, 1, "mask1")) or row.reason == "small"
    }
    assert set(found) == {
        (name(root, photo(root, 0, "mask1")), "dark"),
        (name(root, photo(root, 1, "mask1")), "small"),
        (name(root, photo(root, 2, "mask1")), "unreadable"),
        (name(root, photo(root, 4, "normal")), "near_duplicate"),
    }
    assert found[name(root, photo(root, 1, "mask1")), "small"][0] == 10
    other = found[name(root, photo(root, 4, "normal")), "near_duplicate"]
    assert other == (0, name(root, photo(root, 3, "mask2")))


def test_the_list_is_left_out_of_training_alone_and_the_folds_stay(root, tmp_path) -> None:
    path = tmp_path / "outliers.csv"
    everybody = MaskFaceDataset(str(root), split="all").samples["image"]
    path.write_text("image,reason\n" + "".join(f"{image},dark\n" for image in everybody[::3]))
    for split in ("train", "all"):
        before = MaskFaceDataset(str(root), split=split).samples["image"]
        after = MaskFaceDataset(str(root), split=split, drop=str(path)).samples["image"]
        assert after.tolist() == [image for image in before if image not in set(everybody[::3])]
    before, after = (
        MaskFaceDataset(str(root), split="val", drop=drop).samples["image"].tolist()
        for drop in (None, str(path))
    )
    assert before == after


def test_the_config_hands_the_list_to_training_alone() -> None:
    cfg = load_config(CONFIG, {"data.drop": "outliers.csv"})
    assert cfg.train_dataloader.dataset.drop == "outliers.csv"
    assert "drop" not in cfg.val_dataloader.dataset
    assert "drop" not in cfg.test_dataloader.dataset


def test_a_listed_photo_that_is_not_there_is_refused(root, tmp_path) -> None:
    path = tmp_path / "outliers.csv"
    path.write_text("image\ntrain/images/nobody/mask1.jpg\n")
    with pytest.raises(InputError, match=r"outliers\.csv, line 2: image must be .*nobody/mask1"):
        MaskFaceDataset(str(root), split="train", drop=str(path))


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ({"dark": -1}, "--dark must be from 0 to 255; got -1"),
        ({"dark": float("nan")}, "--dark must be from 0 to 255; got nan"),
        ({"small": -3}, "--small must be at least 0; got -3"),
        ({"alike": 99}, "--alike must be from 0 to 64; got 99"),
    ],
)
def test_a_limit_that_no_photo_can_have_is_refused(root, limit, message) -> None:
    with pytest.raises(InputError, match=message):
        data_stats(root, **limit)


def test_data_without_a_readable_photo_is_refused(root) -> None:
    for person in range(len(PEOPLE)):
        for path in photo(root, person, "normal").parent.iterdir():
            path.write_bytes(b"broken")
    with pytest.raises(InputError, match="none of the 70 photos to train on can be decoded"):
        data_stats(root)
