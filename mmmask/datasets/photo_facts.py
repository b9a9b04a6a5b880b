"""What can be measured on a photo before anything is trained: light, size, colours, likeness."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

HASH_BITS = 64


@dataclass(frozen=True)
class PhotoFacts:
    """Facts of one photo: of the whole photo, if not said to be after preprocessing."""

    light: float  # mean luminance, 0 to 255
    width: int  # in pixels
    height: int
    pixels: int  # how many after preprocessing
    mean: NDArray[np.float64]  # (3,) RGB, after preprocessing
    square: NDArray[np.float64]  # (3,) mean of the squares, after preprocessing
    bits: NDArray[np.int8]  # (64,) of -1 and 1, difference hash
    digest: bytes  # hash of the pixels: equal for equal photos alone

    @property
    def shorter_side(self) -> int:
        """In pixels, before preprocessing."""
        return min(self.width, self.height)


def photo_facts(loaded: dict, preprocessing: Sequence[Callable[[dict], dict]] = ()) -> PhotoFacts:
    """Measure what ``LoadPhoto`` loaded, its colours after the given steps of preprocessing."""
    results, image = dict(loaded), loaded["img"]
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    for step in preprocessing:
        results = step(results)
    seen = results["img"]
    mean, std = (values.ravel()[::-1] for values in cv2.meanStdDev(seen))  # BGR -> RGB
    return PhotoFacts(
        light=float(grey.mean()),
        width=image.shape[1],
        height=image.shape[0],
        pixels=seen.shape[0] * seen.shape[1],
        mean=mean,
        square=std**2 + mean**2,
        bits=difference_hash(grey),
        digest=hashlib.blake2b(repr(image.shape).encode() + image.tobytes()).digest(),
    )


def difference_hash(grey: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Return the signs of the steps in brightness from left to right on an 8x8 grid.

    dHash (Krawetz 2013, "Kind of Like That"). It survives another size, brightness or compression;
    two photos are alike if few of the 64 signs differ.

    Shape:
        ``grey``: (H, W); result: (64,) of -1 and 1.
    """
    small = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA).astype(np.int16)
    return np.where(small[:, 1:] > small[:, :-1], 1, -1).astype(np.int8).ravel()


def nearest_earlier(
    bits: NDArray[np.int8], people: NDArray[np.int64], *, chunk: int = 1024
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return for each photo the nearest earlier photo of another person.

    Shape:
        ``bits``: (N, 64); ``people``: (N,) numbers of the persons; results: (N,) index and (N,)
        number of bits that differ. Where there is no earlier photo of another person the index
        is -1 and the distance 65.
    """
    signs = bits.astype(np.float32)
    index = np.full(len(bits), -1, dtype=np.int64)
    distance = np.full(len(bits), HASH_BITS + 1, dtype=np.int64)
    for start in range(0, len(bits), chunk):
        stop = min(start + chunk, len(bits))
        # As many bits differ as the product of the signs falls short of 64, halved.
        differing = (HASH_BITS - signs[start:stop] @ signs[:stop].T) / 2
        other = people[start:stop, None] != people[:stop]
        earlier = np.arange(stop) < np.arange(start, stop)[:, None]
        differing[~(other & earlier)] = HASH_BITS + 1
        nearest = differing.argmin(axis=1)
        closest = differing[np.arange(stop - start), nearest]
        found = closest <= HASH_BITS
        index[start:stop][found] = nearest[found]
        distance[start:stop] = closest
    return index, distance
