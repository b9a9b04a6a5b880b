"""Pictures of predictions: a confusion matrix and a sheet of faces, as PNG."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from mmmask.datasets.photos import load_photo
from mmmask.errors import UnreadablePhotoError
from mmmask.evaluation.scores import confusion
from mmmask.known import labels_of
from mmmask.labels import AGE_GROUPS, GENDERS, MASKS, NUM_CLASSES, decode
from mmmask.reports.output import counted, save_figure
from mmmask.tables import answers, probabilities

#: Also of words on white.
RIGHT, WRONG = "#1e7650", "#ad3347"
_CAPTION = 0.42  # height of three lines below a photo, in inches


def plot_confusion(predictions: pd.DataFrame, path: str | Path) -> None:
    """Write the share of each true class (row) by predicted class (column) as a picture.

    Diagonal blocks of six are the mask states; within them three ages for each gender.
    """
    truth = labels_of(predictions)
    known = truth >= 0
    truth = truth[known]
    counts = confusion(truth, answers(predictions)[known])
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(9.5, 8.6), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    centred = {"ha": "center", "va": "center", "fontsize": 7}
    for row, column in zip(*np.nonzero(counts), strict=True):
        colour = "white" if share[row, column] > 0.55 else "black"
        axes.text(column, row, counts[row, column], color=colour, **centred)
    ticks = [f"{name} {age}" for _ in MASKS for name in GENDERS for age in AGE_GROUPS]
    axes.set_xticks(range(NUM_CLASSES), ticks, rotation=90, fontsize=8)
    axes.set_yticks(range(NUM_CLASSES), ticks, fontsize=8)
    for edge in range(3, NUM_CLASSES, 3):
        width = 1.6 if edge % 6 == 0 else 0.4
        axes.axhline(edge - 0.5, color="#555", linewidth=width)
        axes.axvline(edge - 0.5, color="#555", linewidth=width)
    named = {"xycoords": "axes fraction", "fontsize": 9, "weight": "bold"}
    for block, mask in enumerate(MASKS):
        middle = (6 * block + 3) / NUM_CLASSES
        axes.annotate(mask, (1.01, 1 - middle), rotation=270, va="center", **named)
        axes.annotate(mask, (middle, 1.01), ha="center", **named)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    figure.colorbar(image, label="share of the true class", shrink=0.6, pad=0.06)
    figure.suptitle(
        f"{counted(len(truth), 'photos')}: counts, coloured by share of the row", fontsize=11
    )
    save_figure(figure, path)


def plot_faces(
    predictions: pd.DataFrame,
    root: Path,
    path: str | Path,
    *,
    columns: int = 9,
    rows: int = 4,
    chosen: Sequence[int] | None = None,
    scale: float = 1.0,
) -> None:
    """Write photos with their answers and how probable these are.

    Where classes are known, the frame tells right from wrong, and the truth stands below with the
    age in years, as far as that is known.

    Args:
        predictions: Of the 18 classes.
        root: The data root.
        path: Picture to write, .png or .jpg.
        columns: Photos side by side.
        rows: How many of such rows at most.
        chosen: Rows of the table to show, numbered from 1; None: spread over the predicted classes.
        scale: Of the size of the photos.
    """
    values, predicted = probabilities(predictions), answers(predictions)
    truth = labels_of(predictions) if "label" in predictions else None
    age = predictions["age"] if "age" in predictions else pd.Series(np.nan, predictions.index)
    shown = _spread(predicted, columns * rows) if chosen is None else chosen
    size = (columns * 1.25 * scale, rows * (1.67 * scale + _CAPTION))
    figure = Figure(figsize=size)
    # Words count for no layout: theirs would leave narrow photos no width.
    bottom = _CAPTION / size[1]
    spaces = {"left": 0.003, "right": 0.997, "top": 0.997, "bottom": bottom, "wspace": 0.05}
    grid = figure.subplots(
        rows, columns, squeeze=False, gridspec_kw={**spaces, "hspace": _CAPTION / (1.67 * scale)}
    )
    for axes in grid.flat:
        axes.set_axis_off()
    below = {"xycoords": "axes fraction", "textcoords": "offset points", "ha": "center"}
    for place, (axes, row) in enumerate(zip(grid.flat, shown, strict=False), 1):
        image = _photo(root / predictions["image"].iloc[row])
        axes.imshow(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        number = "" if chosen is None else f"{place}: "
        probability = 100 * values[row, predicted[row]]
        text, colour = f"{number}{_short(predicted[row])}  {probability:.0f} %", "black"
        if truth is not None and truth[row] >= 0:
            right = truth[row] == predicted[row]
            colour = RIGHT if right else WRONG
            years = "" if pd.isna(age.iloc[row]) else f"{age.iloc[row]:.0f} years"
            text += "" if right else f"\ntrue: {_short(truth[row])}\n{years}"
            height, width = image.shape[:2]
            frame = {"fill": False, "linewidth": 3, "edgecolor": colour}
            axes.add_patch(Rectangle((0, 0), width - 1, height - 1, **frame))
        axes.annotate(text, (0.5, 0), (0, -3), va="top", fontsize=7, color=colour, **below)
    save_figure(figure, path)


def _photo(path: Path) -> NDArray[np.uint8]:
    """Return a photo in BGR; a grey one where it cannot be read."""
    try:
        return load_photo(path)
    except UnreadablePhotoError:
        return np.full((4, 3, 3), 128, dtype=np.uint8)


def _spread(predicted: np.ndarray, most: int) -> list[int]:
    """Return up to ``most`` rows that take turns through the predicted classes."""
    turn = pd.Series(predicted).groupby(predicted).cumcount()
    order = np.lexsort((predicted, turn))[:most]
    return [int(row) for row in order[np.argsort(predicted[order], kind="stable")]]


def _short(label: int) -> str:
    parts = decode(label)
    mask = ("mask", "wrong", "none")[int(parts["mask"])]
    return f"{mask} {'MF'[int(parts['gender'])]} {AGE_GROUPS[int(parts['age'])]}"
