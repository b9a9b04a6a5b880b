"""Several data sets in stated shares: which photo comes when, and what one weighs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.errors import InputError


class Mixture:
    """The sources of photos, each with its share of what is learned.

    Args:
        samples: Photos with the column ``source``.
        weights: Weight of each source, at least 0; its share is that of the sum.

    Attributes:
        shares: (S,) of the sources, summing to 1.
        source: (N,) of each photo, 0 to S - 1.

    Raises:
        InputError: A weight is no number from 0 on, a source has no weight, or one with a weight
            has no photo.
    """

    def __init__(self, samples: pd.DataFrame, weights: Mapping[str, float]) -> None:
        values = np.array([*weights.values()], np.float64)
        if not (np.isfinite(values).all() and (values >= 0).all() and values.sum() > 0):
            raise InputError(
                "data.table: the weights of the sources must be numbers of at least 0 and not all "
                f"0; got {dict(weights)}"
            )
        sources = samples.get("source", pd.Series(pd.NA, samples.index, dtype="str"))
        self.source = pd.Index(weights).get_indexer(sources.astype("object"))
        if (self.source < 0).any():
            row = samples.iloc[int((self.source < 0).argmax())]
            raise InputError(
                f"data.table: {row['image']} is of the source {row.get('source')!s}, which has no "
                f"weight; weights have {', '.join(weights)}"
            )
        self.shares = values / values.sum()
        self.photos = np.bincount(self.source, minlength=len(values))
        for name, share, photos in zip(weights, self.shares, self.photos, strict=True):
            if share and not photos:
                raise InputError(
                    f"data.table: the source {name} has a weight of {weights[name]:g} and no photo "
                    "to learn from"
                )

    def draws(self, epoch: int, seed: int) -> NDArray[np.int64]:
        """Return the photos of an epoch in order, (N,), as many as there are.

        The k-th photo of a source with share s is due at the place (k + 1/2) / s, and all sources
        are merged by these places (Webster's apportionment): the first n photos have n s of it, up
        to rounding, whatever n, and so has each batch. The places go on over the end of an epoch.
        Each source is shuffled by itself, and again once all of its photos have come.
        """
        count = len(self.source)
        begin = epoch * count
        slack = len(self.shares) + 1  # a source is never that far from its share
        first = np.maximum(np.floor(self.shares * begin).astype(np.int64) - slack, 0)
        last = np.ceil(self.shares * (begin + count)).astype(np.int64) + slack
        used = [source for source in range(len(self.shares)) if self.shares[source]]
        turns = [np.arange(first[source], last[source]) for source in used]
        codes = np.repeat(used, [len(turn) for turn in turns])
        turn = np.concatenate(turns)
        due = (turn + 0.5) / self.shares[codes]
        merged = np.argsort(due, kind="stable")
        skipped = begin - int(first[used].sum())
        merged = merged[skipped : skipped + count]
        codes, turn = codes[merged], turn[merged]
        result = np.empty(count, np.int64)
        for source in used:
            mine = codes == source
            result[mine] = self._of_source(source, turn[mine], seed)
        return result

    def _of_source(self, source: int, turn: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
        """Return the photos that a source gives at its turns, counted from 0 over all epochs."""
        photos = np.flatnonzero(self.source == source)
        passes, place = np.divmod(turn, len(photos))
        drawn = np.empty_like(turn)
        for one in np.unique(passes):
            order = np.random.default_rng([seed, source, one]).permutation(photos)
            drawn[passes == one] = order[place[passes == one]]
        return drawn

    def weights(self) -> NDArray[np.float64]:
        """Return what photos weigh so that each source has its share of their sum, N: (N,)."""
        each = np.divide(
            self.shares * len(self.source), self.photos, out=np.zeros(len(self.shares)),
            where=self.photos > 0,
        )  # fmt: skip
        return each[self.source]


def mixture_of(dataset: Any) -> Mapping[str, float] | None:
    """Return the weight of each source that a dataset states; None where it states none."""
    return getattr(dataset, "source_weights", None)


def with_mixture_weights(
    samples: pd.DataFrame, source_weights: Mapping[str, float] | None
) -> pd.DataFrame:
    """Return the samples with ``weight`` times what their source's share of a mixture asks for.

    A photo of a source with share s and n of all N photos weighs s N / n, so that a training which
    sees each photo as often learns from the mixture. None: as they are.

    Raises:
        InputError: As :class:`Mixture`.
    """
    if source_weights is None:
        return samples
    weight = samples.get("weight", pd.Series(1.0, samples.index)).fillna(1)
    mixed = weight.to_numpy(np.float64) * Mixture(samples, source_weights).weights()
    return samples.assign(weight=mixed.astype(np.float32))
