import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from torch.utils.data import DataLoader

import mmmask.datasets.transforms  # noqa: F401 - registers
from mmmask.datasets.batching import stack_photos
from mmmask.datasets.data_source import DataSource
from mmmask.datasets.layout import read_train
from mmmask.datasets.mask_faces import MaskFaceDataset
from mmmask.datasets.packed import (
    ROWS,
    StalePackError,
    open_pack,
    packed_steps,
    write_pack,
)
from mmmask.datasets.photo_store import PhotoStore, write_store
from mmmask.datasets.sampler import EpochSampler
from mmmask.errors import InputError, MissingFileError

PIPELINE = [
    {"type": "LoadPhoto"},
    {"type": "Preprocess", "size": (16, 12)},
    {"type": "RandomFlip", "prob": 0.5},
    {"type": "ColorJitter", "brightness": 0.5, "contrast": 0.5},
    {"type": "PackPhoto"},
]
STEPS = PIPELINE[:2]


@pytest.fixture
def root(make_layout) -> Path:
    init_default_scope("mmpretrain")
    people = [(f"{number:06d}", "female", 20 + number) for number in range(ROWS // 7 + 4)]
    return make_layout(people, eval_photos=3)


@pytest.fixture
def pack(root, tmp_path) -> Path:
    path = tmp_path / "photos.arrow"
    write_pack(path, list(DataSource.at(root).images()), data_root=root, steps=STEPS)
    return path


def batches(root: Path, *, pack: Path | None, workers: int = 0) -> list[dict]:
    dataset = MaskFaceDataset(
        str(root), split="train", pipeline=PIPELINE, pack=None if pack is None else str(pack)
    )
    sampler = EpochSampler(dataset, seed=3)
    return list(
        DataLoader(dataset, 32, sampler=sampler, num_workers=workers, collate_fn=stack_photos)
    )


@pytest.mark.parametrize("workers", [0, 2])
def test_a_pack_gives_the_same_photos_labels_order_and_augmentation(root, pack, workers) -> None:
    decoded, packed = batches(root, pack=None), batches(root, pack=pack, workers=workers)
    assert len(decoded) == len(packed) > 1
    for one, other in zip(decoded, packed, strict=True):
        assert torch.equal(one["inputs"], other["inputs"])
        for name in ("sample_idx", "gt_label"):
            assert torch.equal(one["data_samples"].get(name), other["data_samples"].get(name))


def test_a_photo_may_be_written_to_without_changing_the_pack(root, pack) -> None:
    photos = open_pack(pack, ["eval/images/" + f"{9:040x}.jpg"], data_root=root, steps=STEPS)
    before = photos[0].copy()
    photos[0][:] = 0
    assert before.any()
    assert np.array_equal(photos[0], before)


def test_another_process_opens_the_file_and_not_a_copy(root, pack) -> None:
    images = list(DataSource.at(root).images())
    photos = open_pack(pack, images, data_root=root, steps=STEPS)
    content = pickle.dumps(photos)
    assert len(content) < pack.stat().st_size / 5
    last = len(images) - 1
    assert np.array_equal(pickle.loads(content)[last], photos[last])


def test_a_pack_of_another_size_is_stale_and_says_so(root, pack) -> None:
    steps = [STEPS[0], {"type": "Preprocess", "size": (8, 6)}]
    with pytest.raises(StalePackError, match=r"stale, its steps were .*16, 12.*8, 6"):
        open_pack(pack, list(DataSource.at(root).images()), data_root=root, steps=steps)


def test_a_pack_is_stale_once_a_photo_has_changed(root, pack) -> None:
    image = read_train(root)["image"][5]
    photo = root / image
    content, status = photo.read_bytes(), photo.stat()
    images = list(DataSource.at(root).images())
    photo.write_bytes(bytes(255 - value for value in content))  # of the same size
    os.utime(photo, ns=(status.st_atime_ns, status.st_mtime_ns))  # and of the same time
    with pytest.raises(StalePackError, match=rf"{image} has changed since it was made"):
        open_pack(pack, images, data_root=root, steps=STEPS)
    photo.write_bytes(content)  # of another time
    open_pack(pack, images, data_root=root, steps=STEPS)
    photo.write_bytes(content + b" ")
    with pytest.raises(StalePackError, match=rf"{image} has changed since it was made"):
        open_pack(pack, images, data_root=root, steps=STEPS)


def test_all_broken_photos_are_named_and_nothing_is_packed(root, tmp_path) -> None:
    images = list(DataSource.at(root).images())
    for image in images[3], images[50]:
        (root / image).write_bytes(b"not a photo")
    both = rf"{images[3]}: not a photo.*; cannot be read either.*{images[50]}; .*data\.drop"
    with pytest.raises(InputError, match=both):
        write_pack(tmp_path / "new.arrow", images, data_root=root, steps=STEPS)
    assert not (tmp_path / "new.arrow").exists()


def test_a_photo_that_changes_while_it_is_packed_makes_the_pack_stale(tmp_path) -> None:
    photo, path = tmp_path / "a.jpg", tmp_path / "rows.arrow"
    photo.write_bytes(b"before")

    def rows():
        photo.write_bytes(b"behind")
        yield np.zeros((1, 2), np.uint8)

    known = {"data_root": tmp_path, "made_by": {}, "kind": "pack of photos"}
    write_store(path, ["a.jpg"], rows(), **known, shape=(2,), dtype=np.uint8)
    with pytest.raises(StalePackError, match=r"a\.jpg has changed since it was made"):
        PhotoStore(path, ["a.jpg"], **known, maker="a test")


def test_a_pack_without_a_photo_is_stale(root, pack) -> None:
    with pytest.raises(StalePackError, match=r"stale, 1 of 1 photos are not in it.*other\.jpg"):
        open_pack(pack, ["other.jpg"], data_root=root, steps=STEPS)


@pytest.mark.parametrize("content", [b"", b"not a pack", b"ARROW1\0\0cut"])
def test_a_file_that_is_no_pack_is_refused(root, tmp_path, content: bytes) -> None:
    path = tmp_path / "wrong.arrow"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"wrong\.arrow: not a pack of photos"):
        open_pack(path, [], data_root=root, steps=STEPS)


def test_a_pack_whose_key_lacks_a_name_is_refused(root, pack, tmp_path) -> None:
    path = tmp_path / "damaged.arrow"
    path.write_bytes(pack.read_bytes().replace(b'"made_by"', b'"made-by"'))
    with pytest.raises(InputError, match=r"damaged\.arrow: not a pack of photos: .* lacks made_by"):
        open_pack(path, [], data_root=root, steps=STEPS)


def test_a_missing_pack_is_a_missing_file(root, tmp_path) -> None:
    with pytest.raises(MissingFileError, match=r"none\.arrow: no such pack.*tools/pack\.py"):
        open_pack(tmp_path / "none.arrow", [], data_root=root, steps=STEPS)


def test_a_broken_photo_leaves_the_former_pack_whole(root, pack) -> None:
    before = pack.read_bytes()
    images = list(DataSource.at(root).images())
    (root / images[-1]).write_bytes(b"broken")
    with pytest.raises(InputError, match=r"not a photo that can be decoded"):
        write_pack(pack, images, data_root=root, steps=STEPS)
    assert pack.read_bytes() == before
    assert sorted(path.name for path in pack.parent.glob("*.arrow")) == [pack.name]
    assert not list(pack.parent.glob(".*"))


def test_what_is_packed_ends_with_preprocess() -> None:
    assert packed_steps(PIPELINE) == 2
    with pytest.raises(InputError, match="needs the step Preprocess"):
        packed_steps(PIPELINE[2:])
