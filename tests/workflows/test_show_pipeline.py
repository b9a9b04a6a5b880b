from pathlib import Path

import cv2
import numpy as np
import pytest

from mmmask.config import load_config
from mmmask.errors import InputError
from mmmask.workflows.show_pipeline import (
    data_path_cost,
    mixture,
    sheet_rows,
    show_pipeline,
    spread,
)

ROOT = Path(__file__).parents[2]
PEOPLE = [
    (f"{number:06d}", "male" if number % 2 else "female", 18 + 7 * number) for number in range(10)
]


def rows(config: str, root, *, draws: int = 4, **options) -> list:
    cfg = load_config(
        ROOT / f"configs/{config}.py",
        {"data.data_root": str(root), "preprocessing.size": (32, 24), "data.folds": 2, **options},
    )
    return sheet_rows(cfg, photos=3, draws=draws, seed=0)


def test_the_first_column_is_the_photo_preprocessed_only(make_layout) -> None:
    root = make_layout(PEOPLE)
    photos = {
        cv2.imread(str(path))[..., ::-1].tobytes() for path in root.glob("train/images/*/*.jpg")
    }
    for row in rows("mobilenet_v2_arcface", root):
        assert row.cells[0].image.tobytes() in photos  # of the network's size already


def test_the_other_columns_are_draws_of_the_training_pipeline(make_layout) -> None:
    for row in rows("mobilenet_v2_arcface", make_layout(PEOPLE), draws=8):
        original = row.cells[0].image
        drawn = [cell.image for cell in row.cells[1:]]
        mirrored = [np.array_equal(image, original[:, ::-1]) for image in drawn]
        plain = [np.array_equal(image, original) for image in drawn]
        assert len(drawn) == 8
        assert all(a != b for a, b in zip(mirrored, plain, strict=True))
    assert any(mirrored)


def test_mixed_photos_tell_their_classes(make_layout) -> None:
    options = {"train_dataloader.batch_size": 16}
    captions = [
        cell.caption
        for row in rows("mobilenet_v2_arcface_cutmix", make_layout(PEOPLE), draws=6, **options)
        for cell in row.cells
    ]
    assert captions[0] == ""
    assert any("%" in caption for caption in captions)


def test_a_row_tells_how_often_an_epoch_draws_the_photo(make_layout) -> None:
    pytest.importorskip("albumentations")
    sheet = rows("mobilenet_v2_arcface_old_x5", make_layout(PEOPLE))
    for row in sheet:
        assert row.title.endswith("\n5 per epoch" if ">=60" in row.title else "\n1 per epoch")
    assert any(">=60" in row.title for row in sheet)


def test_the_picture_shows_a_row_per_photo(make_layout, tmp_path) -> None:
    out = tmp_path / "sheet.png"
    path, cost = show_pipeline(
        ROOT / "configs/mobilenet_v2_arcface.py",
        out=out,
        data_root=str(make_layout(PEOPLE)),
        photos=2,
        draws=5,
        options=["preprocessing.size=(32,24)"],
    )
    height, width = cv2.imread(str(path)).shape[:2]
    assert width > 6 * 120
    assert 0.3 < height / width < 0.6
    assert cost.plain > 0
    assert f"{cost.ratio:.2f} times as long" in str(cost)


def test_a_costly_augmentation_costs_more(make_layout) -> None:
    options = {
        "data.data_root": str(make_layout(PEOPLE)),
        "preprocessing.size": (160, 120),
        "data.folds": 2,
    }
    none, clahe = (
        data_path_cost(load_config(ROOT / f"configs/mobilenet_v2_arcface_{name}.py", options))
        for name in ("no_augmentation", "clahe")
    )
    assert 0.5 < none.ratio < 1.5
    assert clahe.ratio > none.ratio
    assert clahe.training > clahe.plain


@pytest.mark.parametrize(
    ("options", "sentence"),
    [({"photos": 0}, "at least 1; got 0 and 6"), ({"out": "sheet.txt"}, r"\.jpg; got sheet\.txt")],
)
def test_impossible_sheets_are_refused(options, sentence) -> None:
    with pytest.raises(InputError, match=sentence):
        show_pipeline(ROOT / "configs/mobilenet_v2_arcface.py", **{"out": "sheet.png", **options})


def test_photos_are_spread_over_the_classes() -> None:
    labels = np.array([5, 5, 2, 2, 9, 9, 9, 0])
    assert sorted(labels[spread(labels, 4)]) == [0, 2, 5, 9]
    assert labels[spread(labels, 2)].tolist() == [0, 9]
    assert len(set(spread(labels, 6))) == 6


def test_a_mixture_lists_the_largest_share_first() -> None:
    score = np.zeros(18)
    score[[0, 17]] = 0.25, 0.75
    assert mixture(score) == "75 % normal female >=60\n25 % wear male <30"
    assert mixture(np.eye(18)[3]) == ""
