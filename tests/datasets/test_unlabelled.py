import numpy as np
import pandas as pd
import pytest
import torch
from mmengine.registry import init_default_scope

import mmmask.register  # noqa: F401
from mmmask.datasets.batching import stack_views
from mmmask.datasets.layout import find_photos
from mmmask.datasets.sampler import Draw
from mmmask.datasets.unlabelled import UnlabelledFaces
from mmmask.errors import InputError, MissingFileError

PEOPLE = [(f"{i:06d}", "male", 20) for i in range(2)]


def pipeline(weak=(), strong=()):
    init_default_scope("mmpretrain")
    views = {"type": "TwoViews", "weak": list(weak), "strong": list(strong)}
    return [{"type": "LoadPhoto"}, {"type": "Preprocess", "size": (16, 12)}, views]


def test_the_photos_may_be_the_test_set_a_folder_or_a_table(make_layout, tmp_path):
    root = make_layout(PEOPLE, eval_photos=3)
    table = tmp_path / "some.csv"
    pd.DataFrame({"image": ["eval/images/" + f"{8:040x}.jpg"], "person": "x"}).to_csv(table)
    sizes = {"eval": 3, str(root / "train"): 14, str(table): 1}
    for photos, size in sizes.items():
        dataset = UnlabelledFaces(root, photos=photos, pipeline=pipeline())
        assert len(dataset) == size
        views = dataset[0]
        assert set(views) == {"weak", "strong"}
        assert views["weak"]["inputs"].shape == (3, 16, 12)


def test_both_views_are_of_one_photo_and_neither_touches_the_other(make_layout):
    root = make_layout(PEOPLE, eval_photos=3)
    flip = {"type": "RandomFlip", "prob": 1.0, "direction": "horizontal"}
    dataset = UnlabelledFaces(root, pipeline=pipeline(weak=[flip]))
    weak, strong = (dataset[1][view]["inputs"] for view in ("weak", "strong"))
    assert torch.equal(weak.flip(-1), strong)


def test_a_draw_gives_the_same_views_again_and_another_seed_others(make_layout):
    root = make_layout(PEOPLE, eval_photos=3)
    flip = {"type": "RandomFlip", "prob": 0.5, "direction": "horizontal"}
    dataset = UnlabelledFaces(root, pipeline=pipeline([flip], [flip]))

    def views(seed):
        pair = dataset[Draw(0, seed)]
        return [pair[view]["inputs"].numpy().tobytes() for view in ("weak", "strong")]

    assert views(1) == views(1)
    assert len({tuple(views(seed)) for seed in range(20)}) == 4


def test_drawing_leaves_the_random_numbers_of_the_main_process_alone(make_layout):
    dataset = UnlabelledFaces(make_layout(PEOPLE, eval_photos=1), pipeline=pipeline())
    np.random.seed(0)  # noqa: NPY002
    expected = np.random.rand()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    dataset[Draw(0, 5)]
    assert np.random.rand() == expected  # noqa: NPY002


def test_views_are_stacked_apart_and_channels_last(make_layout):
    dataset = UnlabelledFaces(make_layout(PEOPLE, eval_photos=3), pipeline=pipeline())
    batch = stack_views([dataset[row] for row in range(3)])
    assert batch["strong"].shape == (3, 3, 16, 12)
    assert batch["strong"].is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(batch["weak"][2], dataset[2]["weak"]["inputs"])


def test_hidden_files_and_other_files_are_no_photos(make_layout):
    root = make_layout(PEOPLE)
    folder = root / "train" / "images"
    (folder / "._mask1.jpg").write_bytes(b"junk")
    (folder / "notes.txt").write_text("x")
    table = find_photos(folder)
    assert len(table) == 14
    assert table["image"].is_monotonic_increasing


def test_a_missing_and_an_empty_folder_are_named(tmp_path):
    with pytest.raises(MissingFileError, match="gone: no such folder"):
        find_photos(tmp_path / "gone")
    with pytest.raises(InputError, match="holds no photo"):
        find_photos(tmp_path)
