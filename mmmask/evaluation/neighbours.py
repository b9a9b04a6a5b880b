"""Who looks alike, by features of a network: the nearest photos of others, and a map of people."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmmask.packages import require

Floats = NDArray[np.float32]

#: Photos that are compared at once: so many wanted ones with so many others.
_WANTED, _OTHERS = 1024, 4096
#: From so many people on the map is t-SNE; of fewer it is made of two principal components.
MANY = 30
#: Principal components that t-SNE starts from, and its perplexity (van der Maaten and Hinton 2008).
_COMPONENTS, _PERPLEXITY = 50, 30


def nearest(
    features: NDArray[np.floating],
    person: ArrayLike,
    wanted: ArrayLike,
    *,
    group: ArrayLike | None = None,
    most: int = 5,
) -> NDArray[np.int64]:
    """Return, for some photos, those of other people that look most alike, one of each person.

    How alike is the cosine of standardised features: each has mean 0 and standard deviation 1 over
    the photos of a group. Blocks of photos are compared, so that beyond ``features`` little memory
    is needed, however many photos there are.

    Args:
        features: (N, D).
        person: (N,) who is in each photo; a photo is never compared with those of its person.
        wanted: (W,) rows.
        group: (N,) integers, such as the state of the mask: photos of another group are not
            compared. None: all are of one.
        most: K, how many.

    Returns:
        (W, K) rows, the most alike first; -1 where the group has fewer other people.
    """
    who = np.unique(np.asarray(person, dtype=str), return_inverse=True)[1]
    rows = np.asarray(wanted, dtype=np.int64)
    groups = np.zeros(len(who), np.int64) if group is None else np.asarray(group)
    found = np.full((len(rows), most), -1, np.int64)
    for each in np.unique(groups[rows]):
        members, places = np.flatnonzero(groups == each), np.flatnonzero(groups[rows] == each)
        mean, scale = _spread(features, members)
        members = members[np.argsort(who[members], kind="stable")]
        for some in _blocks(places, _WANTED):
            mine = rows[some]
            looks = _unit(features[mine], mean, scale)
            near = np.full((len(some), most), -np.inf, np.float32)
            at = np.full((len(some), most), -1, np.int64)
            for others in _blocks_of_people(members, who):
                alike = looks @ _unit(features[others], mean, scale).T  # (w, o)
                alike[who[mine][:, None] == who[others]] = -np.inf
                values, columns = _best_of_people(alike, who[others], most)
                near = np.concatenate([near, values], axis=1)
                at = np.concatenate([at, others[columns]], axis=1)
                best = np.argsort(-near, axis=1, kind="stable")[:, :most]
                near = np.take_along_axis(near, best, axis=1)
                at = np.take_along_axis(at, best, axis=1)
            found[some] = np.where(np.isneginf(near), -1, at)
    return found


def people_map(features: NDArray[np.floating], seed: int = 0) -> Floats:
    """Return places of people in a plane in which those who look alike are near.

    It is t-SNE of the principal components of standardised features of length 1; of fewer than
    ``MANY`` people the first two components. Only nearness means something, not the axes.

    Shape:
        ``features``: (P, D), one photo per person -> (P, 2), each column from 0 to 1.

    Raises:
        InputError: scikit-learn is not installed.
    """
    everybody = np.arange(len(features))
    x = _unit(features, *_spread(features, everybody))
    x -= x.mean(axis=0)
    left, sizes, _ = np.linalg.svd(x, full_matrices=False)
    components = left * sizes  # (P, min(P, D))
    if len(features) < MANY:
        places = np.zeros((len(features), 2), np.float32)
        places[:, : components.shape[1]] = components[:, :2]
    else:
        require("the map of the people", "sklearn")
        from sklearn.manifold import TSNE

        # From few people on, the default of a perplexity of 30 asks for more neighbours than are.
        perplexity = min(_PERPLEXITY, (len(features) - 1) / 3)
        tsne = TSNE(2, perplexity=perplexity, init="pca", random_state=seed)
        places = tsne.fit_transform(components[:, :_COMPONENTS])
    places -= places.min(axis=0)
    return places / np.maximum(places.max(axis=0), np.finfo(np.float32).tiny)


def _spread(features: NDArray[np.floating], rows: NDArray[np.integer]) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of some rows, (D,) each; none is nearly 0."""
    total = sum(features[some].sum(axis=0, dtype=np.float64) for some in _blocks(rows, _OTHERS))
    mean = total / len(rows)
    squares = sum(np.square(features[some] - mean).sum(axis=0) for some in _blocks(rows, _OTHERS))
    scale = np.sqrt(squares / len(rows))
    least = 1e-6 * max(float(np.sqrt(np.mean(scale**2))), 1e-12)
    return mean.astype(np.float32), np.maximum(scale, least).astype(np.float32)


def _unit(features: NDArray[np.floating], mean: Floats, scale: Floats) -> Floats:
    """Return standardised features of length 1, (n, D)."""
    x = ((features - mean) / scale).astype(np.float32)
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.maximum(lengths, np.finfo(np.float32).tiny)


def _best_of_people(
    alike: Floats, who: NDArray[np.integer], most: int
) -> tuple[Floats, NDArray[np.int64]]:
    """Return the highest values of each row, one per person, and their columns: (w, k) each.

    Columns of one person, ``who`` (o,), stand together; ``k`` is at most ``most``.
    """
    _, starts, counts = np.unique(who, return_index=True, return_counts=True)
    highest = np.maximum.reduceat(alike, starts, axis=1)  # (w, people)
    k = min(most, len(starts))
    chosen = np.argpartition(-highest, k - 1, axis=1)[:, :k]
    photo = np.arange(counts.max())
    columns = np.minimum(starts[chosen][..., None] + photo, len(who) - 1)  # (w, k, photos)
    theirs = np.take_along_axis(alike, columns.reshape(len(alike), -1), axis=1)
    theirs = np.where(photo < counts[chosen][..., None], theirs.reshape(columns.shape), -np.inf)
    return np.take_along_axis(highest, chosen, axis=1), starts[chosen] + theirs.argmax(axis=2)


def _blocks_of_people(
    rows: NDArray[np.integer], who: NDArray[np.integer]
) -> Iterator[NDArray[np.integer]]:
    """Yield rows, which are in the order of ``who``, in blocks that divide no person."""
    starts = np.unique(who[rows], return_index=True)[1]
    last = np.searchsorted(starts, np.arange(_OTHERS, len(rows), _OTHERS), side="right") - 1
    cuts = np.unique(starts[last])
    yield from np.split(rows, cuts[cuts > 0])


def _blocks(rows: NDArray[np.integer], size: int) -> Iterator[NDArray[np.integer]]:
    for begin in range(0, len(rows), size):
        yield rows[begin : begin + size]
