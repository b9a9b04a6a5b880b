"""Labels hidden from the training people, as data sets that know one attribute each lack them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.datasets.layout import with_labels
from mmmask.errors import InputError
from mmmask.known import classes_of
from mmmask.labels import ATTRIBUTES

#: What is hidden, by ``kind``.
HIDDEN = ("mask_everywhere", "thirds", "decades")
#: How a head learns from what is left: from all that is known of each photo, from the photos of
#: which all is known, or from all photos, after a first head has answered what is not known.
LEARN = ("all", "complete", "pseudo")
#: Share of the people of whom all is known where the mask alone is known of the others.
COMPLETE = 0.1
_DECADE = 10  # years

#: Samples, and features of photos by their names -> probabilities of the latter.
Fit = Callable[[pd.DataFrame, Sequence[str]], NDArray[np.float32]]


def hidden(
    samples: pd.DataFrame, hide: Mapping[str, Any], people: NDArray, old_from: int
) -> pd.DataFrame:
    """Return the samples with less known of them.

    ``mask_everywhere``: gender and age are known of the first ``share`` of the people alone.
    ``thirds``: of each third of the people one attribute is known. ``decades``: an age is known as
    its decade, such as 20 to 29 years.

    Args:
        samples: Of which mask, gender and age are known.
        hide: ``kind``, and perhaps ``share``.
        people: Theirs, each once, in the order in which they are dealt.
        old_from: First age labelled as old.

    Raises:
        InputError: Something is not known of a photo already, so that it cannot be hidden.
    """
    for name in ATTRIBUTES:
        unknown = samples.get(name, pd.Series(pd.NA, samples.index)).isna()
        if unknown.any():
            first = samples["image"][unknown].iloc[0]
            raise InputError(f"hide needs the {name} of each photo; {first} has none")
    samples = samples.drop(columns=["label", "fits"], errors="ignore")
    kind = hide["kind"]
    if kind == "decades":
        first = samples["age"] // _DECADE * _DECADE
        samples = samples.assign(age_from=first, age_to=first + _DECADE - 1)
        samples["age"] = pd.array([pd.NA] * len(samples), dtype="Int16")
        return with_labels(samples, old_from)
    if kind == "thirds":
        known = dict(zip(ATTRIBUTES, np.array_split(people, len(ATTRIBUTES)), strict=True))
    else:
        complete = people[: max(round(hide.get("share", COMPLETE) * len(people)), 1)]
        known = {"mask": people, "gender": complete, "age": complete}
    for name, those in known.items():
        samples[name] = samples[name].where(samples["person"].isin(those))
    return with_labels(samples, old_from)


def filled(samples: pd.DataFrame, fit: Fit) -> pd.DataFrame:
    """Return the samples with a class for each: the most probable of those that fit.

    A first head, which learns from what is known, gives the probabilities. An age in years that is
    not known stays so.
    """
    unknown = samples["label"].isna().to_numpy()
    if not unknown.any():
        return samples
    fits = classes_of(samples[unknown])
    probabilities = fit(samples, samples["image"][unknown].tolist())
    labels = samples["label"].copy()
    labels[unknown] = np.where(fits, probabilities, -1.0).argmax(axis=1)
    return samples.drop(columns="fits").assign(label=labels)


def complete(samples: pd.DataFrame) -> pd.DataFrame:
    """Return the samples whose class is known."""
    known = samples[samples["label"].notna()]
    if known.empty:
        raise InputError("learn='complete' needs photos of which all is known; got none")
    return known.drop(columns="fits", errors="ignore").reset_index(drop=True)


def check_hidden(where: str, hide: Mapping[str, Any] | None, learn: str) -> None:
    """Refuse a way to hide labels, or to learn from what is left, that there is not."""
    if learn not in LEARN:
        raise InputError(f"{where}: learn must be one of {', '.join(LEARN)}; got {learn!r}")
    if hide is None:
        if learn != "all":
            raise InputError(f"{where}: learn={learn!r} has no effect without hide; leave it out")
        return
    kind = hide.get("kind") if isinstance(hide, Mapping) else hide
    if kind not in HIDDEN:
        raise InputError(f"{where}: hide.kind must be one of {', '.join(HIDDEN)}; got {kind!r}")
    allowed = ("kind", "share") if kind == "mask_everywhere" else ("kind",)
    if unknown := [key for key in hide if key not in allowed]:
        raise InputError(f"{where}: hide of {kind} has {', '.join(allowed)}; got {unknown[0]!r}")
    if not 0 < hide.get("share", COMPLETE) < 1:
        raise InputError(f"{where}: hide.share must be between 0 and 1; got {hide['share']!r}")
    if learn == "complete" and kind != "mask_everywhere":
        raise InputError(
            f"{where}: learn='complete' needs hide.kind mask_everywhere, which leaves complete "
            f"photos; got {kind}"
        )
