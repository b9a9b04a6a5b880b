"""Give a mask another cloth: colour, pattern, folds and light."""

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmpretrain.registry import TRANSFORMS
from numpy.typing import NDArray

from mmmask.errors import InputError
from mmmask.labels import ATTRIBUTES, decode

Image = NDArray[np.uint8]  # (H, W, 3), BGR
Map = NDArray[np.float32]  # (H, W)

_WORN, _INCORRECT = (ATTRIBUTES["mask"].index(name) for name in ("wear", "incorrect"))
#: The photo in which the mask is looked for: (height, width) in pixels.
_SMALL = (96, 72)
#: Where a mask can be in a portrait: centre and half the height of an ellipse, of the height.
_PLACE = {_WORN: (0.70, 0.25), _INCORRECT: (0.78, 0.22)}
#: Share of the photo below which what was found is a piece of a mask, or none.
_LEAST = {_WORN: 0.06, _INCORRECT: 0.015}
#: Differences of lightness and of the two colours, of 255, at which a pixel is hardly skin.
_UNLIKE_SKIN = np.array([45, 11, 11], dtype=np.float32)


def find_mask(image: Image, mask: int) -> Map:
    """Return how much of each pixel of a portrait is mask, 0 to 1: GrabCut (Rother et al. 2004).

    It starts from the pixels of the lower face whose colour is not that between eyes and mouth.

    Args:
        image: (H, W, 3) of a face in the middle.
        mask: 0, worn, or 1, worn incorrectly: lower, and perhaps small.

    Returns:
        (H, W); all 0 where too little was found to be the mask.
    """
    height, width = _SMALL
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small, cv2.COLOR_BGR2LAB).astype(np.float32)
    y, x = ((places + 0.5) / size for places, size in zip(np.indices(_SMALL), _SMALL, strict=True))
    between = (y > 0.40) & (y < 0.54) & (abs(x - 0.5) < 0.14)
    unlike = np.linalg.norm((lab - np.median(lab[between], axis=0)) / _UNLIKE_SKIN, axis=2)
    centre, radius = _PLACE[mask]
    away = np.hypot((y - centre) / radius, (x - 0.5) / 0.36)
    marks = np.full(_SMALL, cv2.GC_PR_BGD, dtype=np.uint8)
    marks[(away < 0.9) & (unlike > 1)] = cv2.GC_PR_FGD
    marks[(away > 1) | (y < 0.46)] = cv2.GC_BGD
    if mask == _WORN:
        marks[np.hypot((y - 0.69) / 0.07, (x - 0.5) / 0.1) < 1] = cv2.GC_FGD
    if not np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD)).any():
        return np.zeros(image.shape[:2], dtype=np.float32)
    cv2.setRNGSeed(0)  # of the clusters that it starts from
    cv2.grabCut(small, marks, None, np.zeros((1, 65)), np.zeros((1, 65)), 3, cv2.GC_INIT_WITH_MASK)
    found = np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    found = cv2.morphologyEx(found, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    found = cv2.morphologyEx(found, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    _, parts, facts, _ = cv2.connectedComponentsWithStats(found)
    sizes = facts[1:, cv2.CC_STAT_AREA]
    if sizes.max(initial=0) < _LEAST[mask] * height * width:
        return np.zeros(image.shape[:2], dtype=np.float32)
    largest = (parts == 1 + sizes.argmax()).astype(np.float32)
    soft = cv2.resize(largest, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return cv2.GaussianBlur(soft, (0, 0), 0.007 * image.shape[0])


def smooth(shape: tuple[int, int], cells: tuple[int, int], random: np.random.Generator) -> Map:
    """Return smooth noise of standard deviation about 1 with so many cells down and across."""
    few = random.standard_normal(cells).astype(np.float32)
    return cv2.resize(few, shape[::-1], interpolation=cv2.INTER_CUBIC)


def cloth_colour(random: np.random.Generator) -> NDArray[np.float32]:
    """Return a colour, (3,) BGR of 0 to 255: dark, near white, or any, each as often."""
    kind = random.integers(3)
    hue = random.uniform(0, 360)
    saturation = random.uniform(*((0, 0.3), (0, 0.15), (0.15, 0.9))[kind])
    value = random.uniform(*((0.03, 0.3), (0.6, 1), (0.2, 1))[kind])
    hsv = np.array([[[hue, saturation, value]]], dtype=np.float32)
    return 255 * cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)[0, 0]


def pattern(shape: tuple[int, int], random: np.random.Generator) -> Map:
    """Return what of a cloth is of its second colour, (H, W) of 0 to 1: lines, checks, dots, spots.

    Lines are bent as cloth on a face is.
    """
    y, x = np.indices(shape, dtype=np.float32) / shape[0]
    y, x = (part + 0.02 * smooth(shape, (4, 4), random) for part in (y, x))
    angle, period = random.uniform(0, np.pi), random.uniform(0.02, 0.12)  # of the height
    along, across = (
        np.sin(2 * np.pi / period * (np.cos(turn) * x + np.sin(turn) * y))
        for turn in (angle, angle + np.pi / 2)
    )
    cells = int(random.integers(15, 60))
    waves = (along, along * across, along + across - 1, smooth(shape, (cells, cells), random))
    return np.clip(0.5 + 3 * waves[random.integers(len(waves))], 0, 1)


def cloth(shape: tuple[int, int], random: np.random.Generator) -> NDArray[np.float32]:
    """Return a cloth, (H, W, 3) BGR of 0 to 255: one colour or, as often, two in a pattern."""
    first, second = cloth_colour(random), cloth_colour(random)
    share = pattern(shape, random) if random.random() < 0.5 else np.zeros(shape, np.float32)
    return first + share[..., None] * (second - first)


def with_cloth(image: Image, region: Map, random: np.random.Generator) -> Image:
    """Return a photo whose mask is of another cloth; its folds stay, and get others.

    Args:
        image: (H, W, 3).
        region: (H, W) as of :func:`find_mask`, not all 0.
        random: Of colours, pattern and light.
    """
    shape = image.shape[:2]
    light = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32)
    mean = float((light * region).sum() / region.sum())
    folds = random.uniform(0.3, 1.5) * (light - mean) / max(mean, 80.0)  # a black one is but noise
    pleats = random.uniform(0, 0.15) * smooth(shape, (int(random.integers(8, 24)), 4), random)
    shadow = random.uniform(0, 0.2) * smooth(shape, (3, 3), random)
    grain = random.uniform(0, 0.06) * random.standard_normal(shape).astype(np.float32)
    shade = np.clip(1 + folds + pleats + shadow + grain, 0.25, 1.8)
    kept = random.choice([0.0, random.uniform(0, 0.6)])  # of the old cloth: prints, colour
    new = (1 - kept) * cloth(shape, random) * shade[..., None] + kept * image
    mixed = image + region[..., None] * (np.clip(new, 0, 255) - image)
    return mixed.round().astype(np.uint8)


@TRANSFORMS.register_module()
class VaryMask(BaseTransform):
    """Give masks, worn or worn incorrectly, another colour, pattern, folds and shadows by chance.

    For masks that are drawn or all of a few kinds: a network then learns less of their colour. A
    face without a mask stays as it is, and so does a photo whose class is not known, or in which no
    mask is found.

    Args:
        prob: Share of the photos with a mask, 0 to 1.
    """

    def __init__(self, *, prob: float = 0.8) -> None:
        if not 0 <= prob <= 1:
            raise InputError(f"VaryMask.prob must be from 0 to 1; got {prob}")
        self.prob = prob

    def transform(self, results: dict) -> dict:
        """Change ``img``, (H, W, 3) uint8 in BGR, where ``gt_label`` is a class with a mask."""
        if np.random.random() >= self.prob:  # noqa: NPY002 - seeded for each photo
            return results
        seed = np.random.randint(2**32, size=4, dtype=np.uint32)  # noqa: NPY002
        label = results.get("gt_label")
        if label is None or label < 0:
            return results
        mask = int(decode(np.asarray([label]))["mask"][0])
        if mask in _PLACE:
            region = find_mask(results["img"], mask)
            if region.any():
                results["img"] = with_cloth(results["img"], region, np.random.default_rng(seed))
        return results
