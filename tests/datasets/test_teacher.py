"""Soft labels, from the predictions of a teacher to the batch."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from mmengine.registry import init_default_scope
from mmpretrain.models import ClsDataPreprocessor

import mmmask.datasets.transforms  # noqa: F401 - registers
from mmmask.datasets.batching import stack_photos
from mmmask.datasets.layout import read_eval, read_train, with_labels
from mmmask.datasets.mask_faces import MaskFaceDataset
from mmmask.datasets.teacher import with_soft_labels
from mmmask.errors import InputError
from mmmask.labels import GENDERS
from mmmask.structures import stack_ages, stack_targets
from mmmask.tables import (
    ATTRIBUTE_PREDICTIONS,
    PREDICTIONS,
    predictions_table,
    probabilities,
    read_table,
    write_table,
    years_of,
)

PEOPLE = [(f"{number:06d}", GENDERS[number % 2], 18 + 3 * number) for number in range(15)]
PIPELINE = [{"type": "LoadPhoto"}, {"type": "Preprocess", "size": (8, 6)}, {"type": "PackPhoto"}]


class World:
    """Fifteen people, three photos of eval/, and teachers for them."""

    def __init__(self, root: Path) -> None:
        self.root, self.folder = root, root.parent
        self.train, self.eval = read_train(root), read_eval(root)

    def dataset(self, split: str = "train", **options) -> MaskFaceDataset:
        return MaskFaceDataset(str(self.root), split=split, pipeline=PIPELINE, **options)

    def teacher(
        self, images: pd.Series, name: str = "oof.parquet", *, years: bool = False, **stated
    ) -> str:
        """Write random predictions of photos, out of fold unless something else is stated."""
        random = np.random.default_rng(len(name))
        said = random.dirichlet(np.ones(18), len(images))
        aged = random.dirichlet(np.ones(121), len(images)) if years else None
        table = predictions_table(images.to_frame("image").reset_index(drop=True), said, aged)
        write_table(self.folder / name, table, PREDICTIONS, {"split": "oof", **stated})
        return str(self.folder / name)

    def more(self) -> str:
        """Write further samples: the photos of eval/ with labels."""
        path = self.folder / "more.csv"
        table = self.eval.assign(person="x", label=[0, 5, 17])[["image", "person", "label"]]
        table.to_csv(path, index=False)
        return str(path)


@pytest.fixture
def world(make_layout) -> World:
    init_default_scope("mmpretrain")
    return World(make_layout(PEOPLE, eval_photos=3))


def rows_of(table: pd.DataFrame, images: pd.Series) -> pd.DataFrame:
    return table.set_index("image").loc[images].reset_index()


@pytest.mark.parametrize(("options", "share"), [({}, 0.7), ({"teacher_share": 0.25}, 0.25)])
def test_a_batch_has_the_true_labels_and_ages_mixed_with_the_teachers(
    world, options, share
) -> None:
    path = world.teacher(world.train["image"], years=True)
    dataset = world.dataset(teacher=path, **options)
    plain = world.dataset()
    batch = stack_photos([dataset[row] for row in (3, 50)])["data_samples"]
    said = rows_of(pd.read_parquet(path), plain.samples["image"].iloc[[3, 50]])
    labels, ages = plain.samples["label"].iloc[[3, 50]], plain.samples["age"].iloc[[3, 50]]
    for soft, hard, given in (
        (stack_targets(batch), np.eye(18)[labels.tolist()], probabilities(said)),
        (stack_ages(batch), np.eye(121)[ages.tolist()], years_of(said)),
    ):
        np.testing.assert_allclose(soft, (1 - share) * hard + share * given, atol=1e-6)
    assert batch.gt_label.tolist() == labels.tolist()


def test_classes_are_counted_by_the_true_labels(world) -> None:
    taught = world.dataset(teacher=world.teacher(world.train["image"]), teacher_share=1.0)
    assert taught.class_counts().tolist() == world.dataset().class_counts().tolist()


def test_the_photos_held_out_are_not_taught(world) -> None:
    path = world.teacher(world.train["image"])
    assert "gt_score" not in world.dataset("val", teacher=path)[0]["data_samples"]


def test_a_teacher_without_years_leaves_the_ages_as_they_are(world) -> None:
    dataset = world.dataset("all", teacher=world.teacher(world.train["image"]))
    ages = stack_ages(stack_photos([dataset[row] for row in (0, 90)])["data_samples"])
    assert ages.argmax(dim=1).tolist() == dataset.samples["age"].iloc[[0, 90]].tolist()
    assert ages.sum(dim=1).tolist() == [1, 1]


def test_further_samples_are_taught_by_a_table_that_has_them_and_else_keep_their_label(
    world,
) -> None:
    oof = world.teacher(world.train["image"], years=True)
    known = world.eval["image"].iloc[:2]
    more = world.teacher(known, "eval.parquet", years=True, split="eval")
    dataset = world.dataset(samples=[world.more()], teacher=[oof, more])
    assert dataset.samples["image"].tail(3).tolist() == world.eval["image"].tolist()
    last = len(dataset)
    batch = stack_photos([dataset[row] for row in range(last - 3, last)])["data_samples"]
    said = probabilities(pd.read_parquet(more))
    expected = 0.3 * np.eye(18)[[0, 5]] + 0.7 * said
    np.testing.assert_allclose(batch.gt_score[:2], expected, atol=1e-6)
    assert batch.gt_score[2].tolist() == np.eye(18)[17].tolist()
    # The true ages are unknown: the teacher's share is all that is known.
    np.testing.assert_allclose(stack_ages(batch).sum(dim=1), [0.7, 0.7, 0], atol=1e-6)


@pytest.mark.parametrize("split", ["val", "train", "all", "eval", None])
def test_nobody_teaches_his_own_label(world, split) -> None:
    path = world.teacher(world.train["image"], split=split)
    with pytest.raises(
        InputError, match=rf"oof\.parquet: .* split oof .* got {split or 'none'}; use oof\.par"
    ):
        world.dataset(teacher=path)


def test_a_csv_which_says_nothing_of_its_making_teaches_further_samples_alone(world) -> None:
    oof = world.teacher(world.train["image"])
    more = world.teacher(world.eval["image"], "eval.csv")
    world.dataset(samples=[world.more()], teacher=[oof, more])
    with pytest.raises(InputError, match=r"all\.csv: .* got none; use"):
        world.dataset(teacher=world.teacher(world.train["image"], "all.csv"))


def test_rounded_probabilities_make_soft_labels_that_sum_to_1(world) -> None:
    images, label = world.eval["image"], np.full((3, 18), 0.055)  # which sum to 0.99
    table = images.to_frame("image").join(
        pd.DataFrame(label, columns=[f"p{k:02d}" for k in range(18)])
    )
    table.to_csv(world.folder / "rounded.csv", index=False)
    oof = world.teacher(world.train["image"])
    teachers = [oof, str(world.folder / "rounded.csv")]
    dataset = world.dataset(samples=[world.more()], teacher=teachers, teacher_share=1.0)
    np.testing.assert_allclose(dataset[len(dataset) - 1]["data_samples"].gt_score, 1 / 18)


def test_a_photo_of_train_that_no_table_has_is_named(world) -> None:
    missing = world.dataset().samples["image"][4]
    path = world.teacher(world.train["image"][world.train["image"] != missing])
    with pytest.raises(InputError, match=rf"; 1 of 84 are missing, such as {missing}"):
        world.dataset(teacher=path)


def test_what_cannot_teach_is_refused(world) -> None:
    images = world.train["image"]
    oof = world.teacher(images)
    mask = predictions_table(
        images.to_frame("image"), np.full((len(images), 3), 1 / 3), attribute="mask"
    )
    write_table(world.folder / "mask.parquet", mask, ATTRIBUTE_PREDICTIONS["mask"])
    for options, sentence in (
        (
            {"teacher": str(world.folder / "mask.parquet")},
            r"mask\.parquet: a teacher must have p00 to p17, .*; got those of mask alone",
        ),
        (
            {"teacher": [oof, world.teacher(world.eval["image"], "eval.parquet")]},
            r"eval\.parquet: a teacher must have at least one of the 84",
        ),
        (
            {"teacher": [oof, world.teacher(images, "again.parquet")]},
            r"again\.parquet: train/images/.* is in another table of data\.teacher too",
        ),
        (
            {"teacher": world.teacher(images, "old.parquet", old_from=60), "old_from": 58},
            r"old\.parquet: calls people old from 60 on, and data\.old_from is 58",
        ),
        ({"teacher_share": 0.5}, r"data\.teacher_share needs data\.teacher; got 0\.5 without it"),
    ):
        with pytest.raises(InputError, match=sentence):
            world.dataset(**options)


def test_a_table_for_each_fold_has_seen_none_of_its_people(world, caplog) -> None:
    for fold in (0, 1):
        learned = world.dataset(fold=fold).samples["image"]
        world.teacher(learned, f"without_{fold}.parquet")
    path = str(world.folder / "without_{fold}.parquet")
    taught = [world.dataset(fold=fold, teacher=path) for fold in (0, 1)]
    assert not caplog.messages
    for fold, dataset in enumerate(taught):
        said = pd.read_parquet(world.folder / f"without_{fold}.parquet")
        expected = 0.7 * probabilities(rows_of(said, dataset.samples["image"]))
        soft = probabilities(dataset.samples) - 0.3 * np.eye(18)[dataset.labels()]
        np.testing.assert_allclose(soft, expected, atol=1e-6)
    world.teacher(world.train["image"], "without_0.parquet")
    with pytest.raises(InputError, match=r"without_0.* has 21 of their photos.*--hold-out 0$"):
        world.dataset(teacher=path)


def test_a_teacher_who_knows_the_people_held_out_is_said_to(world, caplog) -> None:
    path = world.teacher(world.train["image"])
    world.dataset("all", teacher=path)  # nobody is held out
    assert not caplog.messages
    world.dataset(teacher=path)
    (said,) = caplog.messages
    assert said.startswith(f"{path}: the teacher has learned the labels of the people held out")


def test_soft_labels_reach_mmpretrains_own_preprocessor(world) -> None:
    dataset = world.dataset(teacher=world.teacher(world.train["image"]))
    photos = [dataset[row] for row in range(4)]
    batch = {name: [photo[name] for photo in photos] for name in photos[0]}
    prepared = ClsDataPreprocessor(num_classes=18)(batch, training=True)["data_samples"]
    soft = torch.stack([sample.gt_score for sample in prepared])
    np.testing.assert_allclose(soft, probabilities(dataset.samples)[:4])


def test_what_is_known_of_a_photo_is_told_apart_by_the_teacher(world) -> None:
    known = with_labels(
        pd.DataFrame(
            {
                "image": ["a", "b", "c", "d"],
                "mask": ["wear", "normal", "wear", None],
                "gender": ["male", "female", None, None],
                "age": pd.array([20, None, None, None], dtype="Int16"),
                "age_from": pd.array([None, 50, None, None], dtype="Int16"),
                "age_to": pd.array([None, 69, 29, None], dtype="Int16"),
                "fold": pd.array([None] * 4, dtype="Int8"),
            }
        )
    )
    path = world.teacher(pd.Series(["a", "b", "d"]), "teacher.parquet", years=True)
    soft = with_soft_labels(known, path, 0.5, fold=0, old_from=60, held_out=())
    table = read_table(path, PREDICTIONS)
    said, years = probabilities(table).astype(float), years_of(table).astype(float)
    own = np.zeros((4, 18))
    own[0, 0] = 1
    own[1, [16, 17]] = said[1, [16, 17]] / said[1, [16, 17]].sum()
    own[2, [0, 3]] = 0.5
    own[3] = said[2]
    taught = np.array([0, 1, 3])
    own[taught] = (own[taught] + said) / 2
    np.testing.assert_allclose(probabilities(soft), own, atol=1e-6)
    ages = np.zeros((4, 121))
    ages[0, 20] = 1
    ages[1, 50:70] = years[1, 50:70] / years[1, 50:70].sum()
    ages[taught] = (ages[taught] + years) / 2
    ages[3] = years[2] / 2  # nothing is known of the photo's own age
    np.testing.assert_allclose(years_of(soft), ages, atol=1e-6)
