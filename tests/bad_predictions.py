"""Predictions that are none: each kind of fault, put into one row of probabilities."""

import numpy as np

#: What is wrong -> the row made from (C,) probabilities.
FAULTS = {
    "NaN": lambda row: np.where(np.arange(len(row)) == 1, np.nan, row),
    "infinite": lambda row: np.where(np.arange(len(row)) == 1, np.inf, row),
    "negative": lambda row: np.where(np.arange(len(row)) == 1, -0.5, row),
    "above 1": lambda row: np.where(np.arange(len(row)) == 1, 7, row),
    "all 0": lambda row: 0 * row,
    "sum of 2": lambda row: np.full(len(row), 2 / len(row)),
    "half lost": lambda row: row / 2,
    "logits": lambda row: np.log(row) + 3,
}


def spoilt(values: np.ndarray, row: int, fault: str) -> np.ndarray:
    """Return probabilities, (N, C), of which one row has a fault."""
    values = values.astype(np.float64)
    values[row] = FAULTS[fault](values[row])
    return values


def refusal(path: object, row: int, image: str) -> str:
    """Return the pattern of the sentence that refuses such a row, counted from 0."""
    place = f"(row {row + 1}|line {row + 2})"
    return rf"{path}, {place} \({image}\): \S+ (to \S+ )?must (be from 0 to 1|sum to 1); got "
