"""People whose photos a model answers differently, though gender and age stay what they are."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.evaluation.scores import TINY
from mmmask.labels import decode, marginals
from mmmask.tables import answers, attribute_of, probabilities

#: What all photos of a person share.
SHARED = ("gender", "age")


def disagreement(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the people whose photos got different genders or ages, strongest first.

    How strong is the Jensen-Shannon divergence of the photos' probabilities (Lin 1991,
    "Divergence Measures Based on the Shannon Entropy", eq. 5.1 with equal weights): the entropy
    of their mean less the mean of their entropies, in bits. It is 0 where all photos say the
    same, however unsure, and highest where they are sure of different things.

    Args:
        predictions: Of the 18 classes or of one attribute, with the column ``person``.

    Returns:
        One row per person, the index: ``gender`` and ``age`` (whether the answers differ), the
        divergences ``gender_bits`` and ``age_bits``, and ``bits``, their sum. Columns of what the
        model does not predict are missing.
    """
    values, attribute = probabilities(predictions), attribute_of(predictions)
    told = answers(predictions)
    parts = marginals(values) if attribute is None else {attribute: values}
    said = decode(told) if attribute is None else {attribute: told}
    shared = [name for name in SHARED if name in parts]
    person = predictions["person"].to_numpy()
    who, rows = np.unique(person, return_inverse=True)
    table = pd.DataFrame(index=pd.Index(who, name="person"))
    for name in shared:
        table[name] = pd.Series(said[name]).groupby(person).nunique().reindex(who) > 1
    for name in shared:
        table[f"{name}_bits"] = _divergence(parts[name], rows)
    table["bits"] = table[[f"{name}_bits" for name in shared]].sum(axis=1)
    differing = table[shared].any(axis=1) if shared else pd.Series(False, table.index)
    return table[differing].sort_values("bits", ascending=False, kind="stable")


def _divergence(values: NDArray[np.floating], rows: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the divergence of each group's probabilities, in bits: (N, C), (N,) -> (G,)."""
    counts = np.bincount(rows)
    mean = np.zeros((len(counts), values.shape[1]))
    np.add.at(mean, rows, values)
    mean /= counts[:, None]
    return _entropy(mean) - np.bincount(rows, _entropy(values.astype(np.float64))) / counts


def _entropy(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return -np.sum(values * np.log2(np.maximum(values, TINY)), axis=1)
