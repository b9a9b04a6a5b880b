import random
import resource
import signal

import numpy as np
import pandas as pd
import pytest
import torch
from mmengine.registry import init_default_scope
from torch.utils.data import DataLoader

import mmmask.datasets.transforms  # noqa: F401 - registers
from mmmask.cli import message_of
from mmmask.datasets.batching import stack_photos, stack_views
from mmmask.datasets.mask_faces import MaskFaceDataset
from mmmask.datasets.sampler import Draw, EpochSampler
from mmmask.errors import InputError

PEOPLE = [
    (f"{number:06d}", "male" if number % 2 else "female", 18 + 3 * number) for number in range(15)
]
PIPELINE = [
    {"type": "LoadPhoto"},
    {"type": "Preprocess", "size": (16, 12)},
    {"type": "RandomFlip", "prob": 0.5},
    {"type": "ColorJitter", "brightness": 0.5, "contrast": 0.5},
    {"type": "PackPhoto"},
]


@pytest.fixture
def build(make_layout):
    init_default_scope("mmpretrain")
    root = make_layout(PEOPLE, eval_photos=4)

    def build(split: str = "train", **options) -> MaskFaceDataset:
        return MaskFaceDataset(str(root), split=split, **{"pipeline": PIPELINE, **options})

    build.root = root
    return build


def test_train_and_val_share_no_person_and_are_everybody(build) -> None:
    train, val, everybody = build("train"), build("val"), build("all")
    assert set(train.samples["person"]).isdisjoint(val.samples["person"])
    assert len(train) + len(val) == len(everybody) == 7 * len(PEOPLE)
    assert sorted({*train.samples["image"], *val.samples["image"]}) == sorted(
        everybody.samples["image"]
    )


def test_each_fold_holds_other_people_out(build) -> None:
    held_out = [set(build("val", fold=fold).samples["person"]) for fold in range(5)]
    assert sum(map(len, held_out)) == len(set.union(*held_out)) == len(PEOPLE)


def test_an_item_is_the_photo_with_its_label_and_row(build) -> None:
    val = build("val")
    item = val[3]
    assert item["inputs"].shape == (3, 16, 12)
    assert item["inputs"].dtype == torch.uint8
    assert item["data_samples"].gt_label.item() == val.samples["label"][3]
    assert item["data_samples"].sample_idx == 3


def test_eval_has_no_labels(build) -> None:
    assert "gt_label" not in build("eval")[0]["data_samples"]


def test_the_age_cut_and_dropped_ages_leave_the_split_as_it_is(build) -> None:
    plain, cut = build("train"), build("train", old_from=51, drop_ages=(40, 50))
    assert not cut.samples["age"].between(40, 50).any()
    kept = plain.samples[~plain.samples["age"].between(40, 50)]
    assert cut.samples["image"].tolist() == kept["image"].tolist()
    assert (cut.samples["label"] % 3 == 2).sum() > (plain.samples["label"] % 3 == 2).sum()


def test_corrections_change_labels_and_not_the_split(build, tmp_path) -> None:
    path = tmp_path / "corrections.csv"
    path.write_text("person,photo,field,value\n000001,*,gender,female\n000014,*,age,20\n")
    for split in ("train", "val"):
        before, after = build(split), build(split, corrections=str(path))
        assert before.samples["image"].tolist() == after.samples["image"].tolist()
    changed = build("all", corrections=str(path)).samples
    assert set(changed.loc[changed["person"].str.startswith("000001"), "gender"]) == {"female"}


def test_further_samples_join_training_only_with_their_weight(build, tmp_path) -> None:
    path = tmp_path / "pseudo.csv"
    image = build("eval").samples["image"][0]
    path.write_text(f"image,person,label,source,weight\n{image},pseudo-0,5,pseudo,0.25\n")
    train = build("train", samples=[str(path)])
    assert len(train) == len(build("train")) + 1
    assert len(build("val", samples=[str(path)])) == len(build("val"))
    sample = train[len(train) - 1]["data_samples"]
    assert (sample.gt_label.item(), sample.weight.item()) == (5, 0.25)
    assert train[0]["data_samples"].weight.item() == 1


def test_further_samples_without_a_label_are_refused(build, tmp_path) -> None:
    path = tmp_path / "pseudo.csv"
    path.write_text("image,person,label\na.jpg,p,\n")
    with pytest.raises(InputError, match=r"pseudo\.csv: every further training sample needs a lab"):
        build("train", samples=[str(path)])


@pytest.mark.parametrize("way", ["", "linked/../"])
def test_further_samples_are_no_photos_of_the_data(build, tmp_path, way) -> None:
    (build.root / "linked").symlink_to(build.root / "train" / "images")
    image = build("val").samples["image"][0]
    path = tmp_path / "leak.csv"
    path.write_text(f"image,person,label\n{build.root}/{way and 'linked/../../'}{image},new,5\n")
    with pytest.raises(InputError, match=r"leak\.csv: 1 of its 1 photos are photos of .*; leave"):
        build("train", samples=[str(path)])
    assert len(build("val", samples=[str(path)])) == len(build("val"))


def test_class_counts_count_the_photos_of_this_split(build) -> None:
    train = build("train")
    counts = train.class_counts()
    assert counts.sum() == len(train)
    assert counts.tolist() == [int((train.samples["label"] == k).sum()) for k in range(18)]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"split": "test"}, "split must be one of train, val, all, eval; got 'test'"),
        ({"fold": 5}, "fold must be from 0 to data.folds - 1 = 4; got 5"),
        ({"drop_ages": (0, 99)}, r"no photo is in the train split; left out are data\.drop=None"),
    ],
)
def test_options_out_of_range_are_refused(build, options, sentence) -> None:
    with pytest.raises(InputError, match=sentence):
        build(**options)


def test_a_broken_photo_names_itself_from_a_worker(build) -> None:
    val = build("val")
    victim = build.root / val.samples["image"][0]
    victim.write_bytes(b"not a photo")
    loader = DataLoader(val, batch_size=2, collate_fn=stack_photos, num_workers=1)
    with pytest.raises(InputError, match=f"{victim.name}: not a photo that can be decoded"):
        next(iter(loader))


def no_shared_memory(worker: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # shared memory is a file, too


@pytest.mark.parametrize("collate", [stack_photos, stack_views])
def test_a_worker_without_shared_memory_says_so_and_nobody_waits(build, collate) -> None:
    val = build("val")
    items = [val[row] for row in (0, 1)]
    if collate is stack_views:
        items = [{"weak": item, "strong": item} for item in items]
    loader = DataLoader(
        items,
        batch_size=2,
        collate_fn=collate,
        num_workers=1,
        worker_init_fn=no_shared_memory,
        timeout=60,  # for the wait that must not be
    )
    needed = r"needs \d+ bytes of shared memory for each batch.*File too large.*num_workers=0"
    with pytest.raises(InputError, match=needed):
        next(iter(loader))


@pytest.mark.parametrize("workers", [0, 1])
def test_all_broken_photos_are_named_at_once_with_the_way_out(build, workers: int) -> None:
    train = build("train")
    broken = train.samples["image"][[3, 20, 30]].tolist()
    for image in broken:
        (build.root / image).write_bytes(b"not a photo")
    loader = DataLoader(train, batch_size=4, collate_fn=stack_photos, num_workers=workers)
    with pytest.raises(InputError) as caught:
        next(iter(loader))
    words = message_of(caught.value)
    assert words == (
        f"{build.root}/{broken[0]}: not a photo that can be decoded (jpg, png, webp or bmp), 11 "
        f"bytes; cannot be read either, of {len(train)} photos: {build.root}/{broken[1]}, "
        f"{build.root}/{broken[2]}; tools/data_stats.py --out drop.csv lists them, and "
        "data.drop=drop.csv in --cfg-options leaves them out"
    )


def test_unreadable_photos_of_a_drop_list_are_left_out_of_validation_too(build, tmp_path) -> None:
    first, second = build("val").samples["image"][:2]
    drop = tmp_path / "drop.csv"
    drop.write_text(f"image,reason\n{first},unreadable\n{second},dark\n")
    left = build("val", drop=str(drop)).samples["image"].tolist()
    assert first not in left
    assert second in left


def test_a_draw_seeds_the_augmentation_and_leaves_the_generators_alone(build) -> None:
    train = build("train")
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002
    first, again, other = (train[Draw(2, seed)]["inputs"] for seed in (11, 11, 12))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    now = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002
    assert now == states


def epoch_of(dataset, *, workers: int, epoch: int) -> list[torch.Tensor]:
    sampler = EpochSampler(dataset, seed=5)
    sampler.set_epoch(epoch)
    loader = DataLoader(
        dataset, batch_size=8, sampler=sampler, collate_fn=stack_photos, num_workers=workers
    )
    return [batch["inputs"] for batch in loader]


def test_an_epoch_is_the_same_with_any_number_of_workers_and_differs_from_the_next(build) -> None:
    train = build("train")
    alone, shared = epoch_of(train, workers=0, epoch=1), epoch_of(train, workers=2, epoch=1)
    assert all(torch.equal(a, b) for a, b in zip(alone, shared, strict=True))
    assert not torch.equal(alone[0], epoch_of(train, workers=0, epoch=2)[0])


def test_a_batch_has_the_ages_in_years_with_unknown_ones_marked(build, tmp_path) -> None:
    path = tmp_path / "pseudo.csv"
    image = build("eval").samples["image"][0]
    path.write_text(f"image,person,label\n{image},pseudo-0,5\n")
    train = build("train", samples=[str(path)])
    batch = stack_photos([train[0], train[len(train) - 1]])["data_samples"]
    assert batch.age.tolist() == [train.samples["age"][0], -1]
    assert "age" not in stack_photos([build("eval")[0]])["data_samples"]


def test_a_batch_knows_which_photos_show_one_person(build, tmp_path) -> None:
    path = tmp_path / "more.csv"
    images = build("eval").samples["image"]
    path.write_text(f"image,person,label\n{images[0]},,5\n{images[1]},000001,5\n")
    train = build("train", samples=[str(path)])
    batch = stack_photos([train[row] for row in range(len(train))])["data_samples"]
    names = train.samples["person"].tolist()
    assert batch.person.tolist() == train.people().tolist()
    assert batch.person[-2] == -1
    for one, name in zip(batch.person[:-2].tolist(), names[:-2], strict=True):
        assert one == batch.person[names.index(name)] >= 0
    assert len(batch.person.unique()) == train.samples["person"].nunique() + 1


@pytest.mark.parametrize(
    "keys",
    [
        {"meta_keys": ("sample_idx", "age", "person")},
        {"meta_keys": ("sample_idx",), "algorithm_keys": ("age", "person")},
    ],
)
def test_age_and_person_travel_by_pack_inputs_of_mmpretrain_too(build, keys: dict) -> None:
    train = build("train", pipeline=[*PIPELINE[:-1], {"type": "PackInputs", **keys}])
    batch = stack_photos([train[0], train[1], train[7]])["data_samples"]
    assert batch.age.tolist() == train.samples["age"][[0, 1, 7]].tolist()
    assert batch.person.tolist() == [0, 0, 1]


def test_photos_of_unknown_people_have_no_codes(build) -> None:
    unknown = build("eval")
    assert "person" not in stack_photos([unknown[0]])["data_samples"]
    with pytest.raises(InputError, match="data split must be one with known people; got 'eval'"):
        unknown.people()


def partly_known(build, **columns) -> MaskFaceDataset:
    """A dataset of some of the photos, of which a table says what is known."""
    images = build("all").samples["image"][: len(next(iter(columns.values())))]
    path = build.root / "partly.csv"
    table = pd.DataFrame({"image": images, "fold": 0, **columns})
    for name in {"age", "age_from", "age_to"} & set(table):
        table[name] = table[name].astype("Int16")
    table.to_csv(path, index=False)
    return build("all", table=str(path), folds=2)


def test_a_batch_says_which_classes_and_ages_agree_with_what_is_known(build) -> None:
    dataset = partly_known(
        build,
        mask=["wear", "normal", "wear", "incorrect"],
        gender=["male", None, "male", None],
        age=[20, None, None, None],
        age_from=[None, 60, 25, None],
        age_to=[None, None, 35, None],
    )
    batch = stack_photos([dataset[row] for row in range(4)])["data_samples"]
    assert dataset.labels().tolist() == batch.gt_label.tolist() == [0, -1, -1, -1]
    fits = [row.nonzero().flatten().tolist() for row in batch.fits]
    assert fits == [[0], [14, 17], [0, 1], [6, 7, 8, 9, 10, 11]]
    assert batch.age.tolist() == [20, -1, -1, -1]
    assert batch.age_span.tolist() == [[20, 20], [60, 120], [25, 35], [0, 120]]
    counts = dataset.class_counts()
    assert counts.sum() == pytest.approx(4)
    assert counts[0] > counts[1]


def test_a_batch_of_photos_that_are_known_has_no_further_fields(build) -> None:
    dataset = partly_known(build, label=[0, 4, 7, 12], age=[20, 40, 33, 20])
    batch = stack_photos([dataset[row] for row in range(4)])["data_samples"]
    assert set(batch.keys()) == {"gt_label", "age", "person", "sample_idx", "img_path"}
    assert dataset.class_counts().tolist() == np.bincount([0, 4, 7, 12], minlength=18).tolist()
