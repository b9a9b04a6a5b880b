"""Blocks of augmentations, and the leaves that change one thing of a baseline."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS, TRANSFORMS
from torchvision.transforms.v2 import functional

import mmmask.register  # noqa: F401
from mmmask.blocks import compose, plain, stated
from mmmask.config import load_config
from mmmask.datasets.transforms import Preprocess
from mmmask.models.preprocessor import FacePreprocessor
from mmmask.structures import SampleBatch

from .conftest import ROOT

CONFIGS = ROOT / "configs"
BLOCKS = sorted((CONFIGS / "_base_" / "augmentations").glob("*.py"))
HAS_ALBUMENTATIONS = find_spec("albumentations") is not None

#: Leaf of mobilenet_v2_arcface -> the keys of the config that it may change.
LEAVES = {
    name: changed
    for changed, names in (
        (
            "augmentations",
            "no_augmentation rotate shift_scale_rotate gaussian_noise clahe source_e vary_mask",
        ),
        ("augmentations", "color_jitter random_crop rand_augment grid_shuffle mouth_cutout"),
        ("preprocessing", "center_crop"),
        ("head sampler", "balanced balanced_age balanced_effective undersampled"),
        ("augmentations head sampler", "old_x2 old_x5 source_c"),
        ("batch_augments", "mixup cutmix half_cutmix"),
    )
    for name in names.split()
}


@pytest.fixture
def photo() -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 256, (8, 6, 3), dtype=np.uint8)
    return cv2.resize(noise, (48, 64), interpolation=cv2.INTER_CUBIC)


def steps_of(block: Path) -> list[dict]:
    steps = plain(Config.fromfile(block).augmentations)
    if not HAS_ALBUMENTATIONS and "SeededAlbumentations" in str(steps):
        pytest.skip("Albumentations is not installed")
    return steps


@pytest.mark.parametrize("block", BLOCKS, ids=lambda path: path.stem)
def test_a_block_keeps_size_and_type_and_follows_the_seed_of_the_photo(block, photo) -> None:
    init_default_scope("mmpretrain")
    steps = [TRANSFORMS.build(step) for step in steps_of(block)]

    def augment(seed: int) -> np.ndarray:
        np.random.seed(seed)  # noqa: NPY002 - as the dataset does
        results = {"img": photo.copy(), "img_shape": photo.shape[:2], "repeat": 1}
        for step in steps:
            results = step(results)
        return results["img"]

    drawn = [augment(seed) for seed in range(12)]
    assert all(image.shape == photo.shape and image.dtype == np.uint8 for image in drawn)
    assert all(np.array_equal(image, augment(seed)) for seed, image in enumerate(drawn))
    kinds = len({image.tobytes() for image in drawn})
    assert kinds == 1 if block.stem == "none" else kinds > 1


@pytest.mark.parametrize("name", LEAVES)
def test_a_leaf_differs_from_its_baseline_in_what_it_names_alone(name: str) -> None:
    def parts(config: str) -> dict:
        cfg = stated(load_config(CONFIGS / f"{config}.py").to_dict())
        loader = cfg.pop("train_dataloader")
        return {**cfg, **loader}

    baseline, leaf = parts("mobilenet_v2_arcface"), parts(f"mobilenet_v2_arcface_{name}")
    changed = {key for key in {*baseline, *leaf} if baseline.get(key) != leaf.get(key)}
    assert changed - {"val_dataloader", "test_dataloader"} == set(LEAVES[name].split())


def test_every_block_has_a_leaf() -> None:
    texts = [path.read_text() for path in CONFIGS.glob("*.py")]
    for block in BLOCKS:
        assert any(f"_base_/augmentations/{block.name}" in text for text in texts), block.name


@pytest.mark.parametrize(
    ("operation", "reference"),
    [
        ({"type": "Brightness", "magnitude": 0.6}, lambda x: functional.adjust_brightness(x, 1.6)),
        ({"type": "Contrast", "magnitude": 0.6}, lambda x: functional.adjust_contrast(x, 1.6)),
        (
            {"type": "ColorTransform", "magnitude": 0.6},
            lambda x: functional.adjust_saturation(x, 1.6),
        ),
        ({"type": "Solarize", "thr": 100}, lambda x: functional.solarize(x, 100)),
        ({"type": "Posterize", "bits": 3}, lambda x: functional.posterize(x, 3)),
        ({"type": "AutoContrast"}, functional.autocontrast),
        ({"type": "Invert"}, functional.invert),
    ],
    ids=lambda part: part["type"] if isinstance(part, dict) else "",
)
def test_operations_of_rand_augment_are_those_of_torchvision_under_numpy_2(
    operation, reference, photo
) -> None:
    init_default_scope("mmpretrain")
    signs = {"random_negative_prob": 0.0} if "magnitude" in operation else {}
    step = TRANSFORMS.build({**operation, "prob": 1.0, **signs})
    ours = step({"img": photo.copy()})["img"]
    rgb = torch.from_numpy(np.ascontiguousarray(photo[..., ::-1])).permute(2, 0, 1)
    theirs = reference(rgb).permute(1, 2, 0).numpy()[..., ::-1]
    assert np.abs(ours.astype(int) - theirs).max() <= 2


def test_a_crop_and_one_resize_equal_resize_224_and_center_crop_150() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    photo = cv2.resize(noise, (384, 512), interpolation=cv2.INTER_CUBIC)  # smooth
    crop, size = (150 / 224, 150 / 224), (150, 150)
    ours = Preprocess(size=size, crop=crop)({"img": photo})["img"]
    whole = cv2.resize(photo, (224, 224), interpolation=cv2.INTER_AREA)
    theirs = whole[37:187, 37:187]
    assert np.abs(ours.astype(int) - theirs).max() <= 6
    assert np.abs(ours.astype(int) - theirs).mean() < 1.5


@pytest.mark.parametrize("name", ["mixup", "cutmix", "half_cutmix"])
def test_the_batch_augments_of_a_leaf_can_be_built_again(name: str) -> None:
    init_default_scope("mmpretrain")
    cfg = load_config(CONFIGS / f"mobilenet_v2_arcface_{name}.py")
    options = {key: value for key, value in cfg.model.data_preprocessor.items() if key != "type"}
    for _ in range(2):
        assert isinstance(FacePreprocessor(**options), torch.nn.Module)


@pytest.mark.parametrize("head", ["linear", "focal", "arcface", "decomposed"])
@pytest.mark.parametrize("name", ["mixup", "cutmix", "half_cutmix"])
def test_batch_augments_go_with_every_head_and_with_weights(name: str, head: str) -> None:
    init_default_scope("mmpretrain")
    cfg = load_config(CONFIGS / f"mobilenet_v2_{head}.py", {"pretrained": None})
    cfg.batch_augments = load_config(CONFIGS / f"mobilenet_v2_arcface_{name}.py").batch_augments
    cfg.batch_augments.pop("probs", None)  # always
    compose(cfg)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.head.set_class_counts(torch.arange(1.0, 19.0))
    batch = SampleBatch(gt_label=torch.tensor([3, 16, 3]), weight=torch.tensor([1.0, 0.0, 0.5]))
    photos = torch.randint(0, 256, (3, 64, 64, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
    data = model.data_preprocessor({"inputs": photos, "data_samples": batch}, True)
    loss, _ = model.train().parse_losses(model(**data, mode="loss"))
    loss.backward()
    assert loss.item() > 0
    assert all(torch.isfinite(p.grad).all() for p in model.head.parameters())


@pytest.mark.skipif(not HAS_ALBUMENTATIONS, reason="Albumentations is not installed")
def test_albumentations_lives_with_the_opencv_that_was_there() -> None:
    code = "import albumentations, cv2; print(cv2.__version__, len(cv2.imencode('.png', "
    code += "__import__('numpy').zeros((2, 2, 3), 'uint8'))[1]) > 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[1] == "True"
    with pytest.raises(PackageNotFoundError):  # it would write its files over those of the other
        distribution("opencv-python-headless")
