"""Which photos show the same person, by how alike they are.

Average linkage: two groups become one where their photos are alike on average, so a chain of photos
of which each is like the next does not become one person.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mmmask.errors import InputError

#: Bits of 64 in which the hashes of one photo, saved twice, may differ; counted beside features.
MOST_BITS = 2
#: Bits in which the hashes of two groups of photos may differ, on average, where they decide alone.
MOST_BITS_ALONE = 6
#: Mean distance up to which the features of two groups of photos are one person's.
MOST_DISTANCE = 0.5
#: What is nearer to the threshold than this share of it is a doubt.
DOUBTFUL = 0.15
#: Photos that may hang together by pairs that are alike; their distances take 2 GB.
MOST_TOGETHER = 15_000
_CHUNK = 512
_NEVER = 1e9  # the distance of two given people: no average of it is below the threshold


@dataclass(frozen=True)
class Likeness:
    """How far photos are apart; 1 is the threshold.

    Attributes:
        bits: Signs of difference hashes, (N, 64).
        features: Directions of length 1, (N, D), or None.
        threshold: Of the features' cosine distance; without features, of the bits that differ.
    """

    bits: NDArray[np.float32]
    features: NDArray[np.float32] | None
    threshold: float

    def differing(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return in how many bits the hashes of photos differ, (n, m)."""
        return (self.bits.shape[1] - self.bits[rows] @ self.bits[columns].T) / 2

    def between(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the distances (n, m) of photos: of the hashes or the features, the smaller."""
        most = self.threshold if self.features is None else MOST_BITS
        distance = self.differing(rows, columns) / np.float32(most + 0.5)
        if self.features is not None:
            cosine = self.features[rows] @ self.features[columns].T
            distance = np.minimum(distance, (1 - cosine) / np.float32(self.threshold))
        return np.maximum(distance, 0, dtype=np.float32)

    def in_words(self, distance: float) -> str:
        """Return a distance in the unit of the threshold."""
        if self.features is None:
            return f"{distance * (self.threshold + 0.5):.1f} bits"
        return f"{distance * self.threshold:.3f}"


@dataclass(frozen=True)
class Grouping:
    """Groups of photos, and what may be wrong in them.

    Attributes:
        groups: Number of each photo's group, (N,).
        doubts: Most doubtful first: ``kind`` (``given``: two given people look like one; ``joined``
            or ``apart``: nearly not), ``distance`` (1 is the threshold), and rows of two photos,
            ``one`` and ``other``, the most alike of the two groups.
    """

    groups: NDArray[np.int64]
    doubts: pd.DataFrame


def directions(
    values: NDArray[np.floating], mean: NDArray[np.floating], sets: Sequence[tuple[int, int]]
) -> NDArray[np.float32]:
    """Return features, less their mean, at length 1.

    Without the mean, which all faces have in common, all would point in nearly one direction.

    Args:
        values: (N, D).
        mean: (D,).
        sets: First and end of the columns to compare; each set counts alike, as networks differ in
            how large their features are.
    """
    parts = []
    for first, end in sets:
        part = np.asarray(values[:, first:end] - mean[first:end], dtype=np.float32)
        parts.append(part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12))
    return (np.concatenate(parts, axis=1) / len(sets) ** 0.5).astype(np.float32)


def grouped(likeness: Likeness, given: NDArray[np.int64], steps: Iterable[int]) -> Grouping:
    """Return which photos show one person.

    Args:
        likeness: Of N photos.
        given: Number of each photo's person, -1 where nobody is given, (N,). Photos of one given
            person are one group, those of two never are. A photo saved twice is of one person,
            however unlike the other photos of that person are.
        steps: Of :func:`chunks`, perhaps with a progress bar.

    Raises:
        InputError: So many pairs are alike that nearly all photos hang together.
    """
    parts = _parts(likeness, given, steps)
    groups, doubts = np.arange(len(given)), []
    for part in parts:
        copies = _copies(likeness, part, given[part])
        distance = _distances(likeness, part, given[part], copies)
        tree = linkage(distance, "average")
        # The number of one photo is that of its group.
        local = fcluster(tree, 1, "distance")
        first = pd.Series(part).groupby(local).transform("min")
        groups[part] = first.to_numpy()
        doubts += _near_threshold(likeness, part, tree)
    doubts = sorted(doubts, key=lambda doubt: abs(doubt[1] - 1))
    doubts = _given_alike(likeness, parts, groups, given) + doubts
    return Grouping(groups, pd.DataFrame(doubts, columns=["kind", "distance", "one", "other"]))


def chunks(photos: int) -> range:
    """Return where the chunks begin in which photos are compared with all."""
    return range(0, photos, _CHUNK)


def _parts(
    likeness: Likeness, given: NDArray[np.int64], steps: Iterable[int]
) -> list[NDArray[np.intp]]:
    """Return the sets of two photos or more that hang together by pairs that are nearly alike.

    No group of average linkage reaches out of one: its last two parts have a pair at most as far
    apart as they are on average.
    """
    photos = np.arange(len(given))
    label = photos
    for start in steps:
        rows = photos[start : start + _CHUNK]
        near = likeness.between(rows, photos[start:]) <= 1 + DOUBTFUL
        near |= (given[rows, None] == given[start:]) & (given[rows, None] >= 0)
        one, other = np.nonzero(near)
        edges = coo_array((np.ones(len(one), np.int8), (label[one + start], label[other + start])),
                          shape=(len(photos), len(photos)))  # fmt: skip
        label = connected_components(edges, directed=False)[1][label]
    parts = [np.asarray(part) for part in pd.Series(photos).groupby(label).indices.values()]
    largest = max(map(len, parts))
    if largest > MOST_TOGETHER:
        raise InputError(
            f"{largest:,} of {len(photos):,} photos are joined by pairs that are alike, at most "
            f"{MOST_TOGETHER:,} may be; lower --alike"
        )
    return [part for part in parts if len(part) > 1]


def _copies(
    likeness: Likeness, part: NDArray[np.intp], given: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return numbers, (n,), the same for photos that are one person's before any comparison.

    These are the copies of a photo and the photos of a given person, taken together as far as no
    two given people are among them.
    """
    pairs = []
    for start in chunks(len(part)):
        rows = part[start : start + _CHUNK]
        one, other = np.nonzero(likeness.differing(rows, part) <= MOST_BITS)
        pairs.append((one + start, other))
    one, other = (np.concatenate(ends) for ends in zip(*pairs, strict=True))
    named = np.flatnonzero(given >= 0)
    first = pd.Series(named).groupby(given[named]).transform("first").to_numpy()
    label = _together(len(part), [one, named], [other, first])
    people = pd.Series(given).where(given >= 0).groupby(label).transform("nunique").to_numpy()
    decides = people[one] <= 1  # a copy that two given people have does not
    return _together(len(part), [one[decides], named], [other[decides], first])


def _together(
    photos: int, ones: Sequence[NDArray[np.intp]], others: Sequence[NDArray[np.intp]]
) -> NDArray[np.int64]:
    """Return numbers, (n,), the same for photos that edges connect."""
    ends = np.concatenate(ones), np.concatenate(others)
    edges = coo_array((np.ones(len(ends[0]), np.int8), ends), shape=(photos, photos))
    return connected_components(edges, directed=False)[1].astype(np.int64)


def _distances(
    likeness: Likeness,
    part: NDArray[np.intp],
    given: NDArray[np.int64],
    copies: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return the distances of n photos in scipy's condensed order, n (n - 1) / 2."""
    condensed = np.empty(len(part) * (len(part) - 1) // 2)
    filled = 0
    for row in range(len(part) - 1):
        if row % _CHUNK == 0:
            block = likeness.between(part[row : row + _CHUNK], part)
        distance = block[row % _CHUNK, row + 1 :].astype(np.float64)
        distance[copies[row + 1 :] == copies[row]] = 0
        if given[row] >= 0:
            rest = given[row + 1 :]
            distance[(rest != given[row]) & (rest >= 0)] = _NEVER
        condensed[filled : filled + len(distance)] = distance
        filled += len(distance)
    return condensed


def _near_threshold(
    likeness: Likeness, part: NDArray[np.intp], tree: NDArray[np.float64]
) -> list[tuple]:
    """Return the steps of a tree that are near the threshold."""
    members: list[NDArray[np.intp]] = [np.array([photo]) for photo in part]
    doubts = []
    for left, right, height, _ in tree:
        if height > 1 + DOUBTFUL:
            break
        one, other = members[int(left)], members[int(right)]
        members.append(np.concatenate([one, other]))
        if height >= 1 - DOUBTFUL:
            kind = "joined" if height <= 1 else "apart"
            doubts.append((kind, height, *_most_alike(likeness, one, other)))
    return doubts


def _given_alike(
    likeness: Likeness,
    parts: list[NDArray[np.intp]],
    groups: NDArray[np.int64],
    given: NDArray[np.int64],
) -> list[tuple]:
    """Return the pairs of given people who look like one, the most alike first."""
    doubts = []
    for part in parts:
        known = part[given[part] >= 0]
        members = pd.Series(known).groupby(groups[known]).indices
        pairs: set[tuple[int, int]] = set()
        for start in chunks(len(known)):
            rows = known[start : start + _CHUNK]
            near = np.nonzero(likeness.between(rows, known) <= 1)
            pairs |= {
                *zip(groups[rows[near[0]]].tolist(), groups[known[near[1]]].tolist(), strict=True)
            }
        for pair in sorted(pairs):
            if pair[0] >= pair[1]:
                continue
            one, other = (known[members[group]] for group in pair)
            distance = float(likeness.between(one, other).mean())
            if distance <= 1:
                doubts.append(("given", distance, *_most_alike(likeness, one, other)))
    return sorted(doubts, key=lambda doubt: doubt[1])


def _most_alike(
    likeness: Likeness, one: NDArray[np.intp], other: NDArray[np.intp]
) -> tuple[int, int]:
    """Return the most alike photos of two groups."""
    distance = likeness.between(one, other)
    row, column = np.unravel_index(distance.argmin(), distance.shape)
    return int(one[row]), int(other[column])
