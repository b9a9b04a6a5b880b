"""Predict photos with a trained model, from Python and without torch."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from rich.console import Console
from rich.progress import track

from mmmask.datasets.layout import find_photos
from mmmask.datasets.photos import Photo
from mmmask.datasets.preparation import NO_FACE
from mmmask.deploy.networks import Answer, Network, OnnxNetwork
from mmmask.errors import InputError
from mmmask.evaluation.calibrated_tables import check_belongs, read_calibration, with_probabilities
from mmmask.labels import MIDDLE_FROM, checked_cuts, move_cut
from mmmask.ledger.provenance import file_hash, made_now
from mmmask.table_checks import checked
from mmmask.tables import check_finite, prediction_columns, probabilities, year_columns

#: Views that need the photo alone; further ones of a config stay with tools/test.py.
MIRRORED = ("identity", "hflip")


class Predictor:
    """A model that ``tools/export.py`` wrote: photos in, a predictions table out.

    Photos are decoded, cropped and resized as in training. For example::

        predictor = Predictor("model.onnx")
        table = predictor("folder/of/photos")  # mmmask.tables.PREDICTIONS
        answers = mmmask.readable(table)

    Args:
        model: The .onnx file, or a network.
        tta: Average over each photo and its mirror image.
        calibration: File of ``tools/calibrate.py``, fitted on predictions of the same model.
        old_from: First age in years that is called old, of a model of years; None keeps the
            model's.
        threads: Of the computation; None: as many as onnxruntime likes.
        batch_size: Photos that pass the network at once.

    Raises:
        InputError: The file is no such model, or the options do not fit it.
    """

    def __init__(
        self,
        model: str | Path | Network,
        *,
        tta: bool = False,
        calibration: str | Path | None = None,
        old_from: int | None = None,
        threads: int | None = None,
        batch_size: int = 64,
    ) -> None:
        self._origin: dict[str, Any] = {}
        self.network: Network
        if isinstance(model, str | Path):
            self.network = OnnxNetwork(model, threads=threads)
            self._origin = {"model": str(model), "model_hash": file_hash(Path(model))}
        else:
            self.network = model
        facts = self.facts = self.network.facts
        if batch_size < 1:
            raise InputError(f"batch_size must be at least 1; got {batch_size}")
        if tta and {*facts.views} != {*MIRRORED}:
            raise InputError(
                f"{self.network.name}: its config averages the views {', '.join(facts.views)}, but "
                f"tta averages only {' and '.join(MIRRORED)}"
            )
        if old_from is not None and not facts.years:
            raise InputError(
                f"{self.network.name}: old_from={old_from} needs a model of years, and it "
                "predicts " + (facts.attribute or "age groups")
            )
        self.old_from = facts.old_from if old_from is None else old_from
        self.views = MIRRORED if tta else ()
        self.batch_size = batch_size
        self._calibration = None
        if calibration is not None:
            self._calibration = read_calibration(calibration), calibration

    def __call__(
        self,
        photos: str | Path | Sequence[str | Path | Photo] | NDArray[np.uint8],
        *,
        boxes: ArrayLike | None = None,
        progress: bool = False,
    ) -> pd.DataFrame:
        """Return the predictions of photos, one row per photo, in their order.

        Args:
            photos: A folder, a file, or a sequence of files or of (H, W, 3) uint8 arrays in BGR,
                the order of ``cv2.imread``.
            boxes: x0, y0, x1, y1 of the face in pixels of each photo, NaN where none was found;
                for a model of photos that are cropped to faces.
            progress: Show a progress bar.

        Returns:
            ``image``, the path (relative to a folder that was given) or the number of an array;
            probabilities; ``year_*`` of a model of years. ``attrs['provenance']`` says where they
            come from.

        Raises:
            InputError: A photo cannot be read, the boxes do not fit, or what the model answers are
                no probabilities.
        """
        names, items = _listed(photos)
        edges = self._edges(boxes, len(items))
        answers = list(self._answers(items, edges, progress))
        years = [answer.years for answer in answers if answer.years is not None]
        values = np.concatenate([answer.probabilities for answer in answers])
        return self.table(names, values, np.concatenate(years) if years else None)

    def table(
        self, images: Sequence[str], values: NDArray[np.float32], years: NDArray[np.float32] | None
    ) -> pd.DataFrame:
        """Return the predictions table of a network's answers.

        Args:
            images: What the photos are called.
            values: (N, C) probabilities.
            years: (N, 121) of the ages 0 to 120, of a model of years.
        """
        columns, class_names = prediction_columns(self.facts.attribute)
        parts = []
        if years is not None:
            assert self.old_from is not None  # a model of years has a cut
            values = move_cut(values, years, after=checked_cuts((MIDDLE_FROM, self.old_from)))
            parts.append(year_columns(years))
        table = pd.concat([pd.DataFrame(values, columns=list(class_names)), *parts], axis=1)
        table.insert(0, "image", list(images))
        table = checked(table, columns, f"predictions of {self.network.name}")
        table.attrs["provenance"] = self.provenance()
        if self._calibration is not None:
            calibration, path = self._calibration
            check_belongs(calibration, path, table, self.network.name)
            table = with_probabilities(table, calibration(probabilities(table)))
        return table

    @property
    def calibrated(self) -> bool:
        """Whether probabilities are calibrated."""
        return self._calibration is not None

    def provenance(self) -> dict[str, Any]:
        """Return what a predictions table says about its making."""
        calibration = self._calibration and str(self._calibration[1])
        return {
            **self.facts.provenance,
            **self._origin,
            "preprocessing": dict(self.facts.preprocessing),
            "tta": list(self.views),
            "old_from": self.old_from,
            "calibration": calibration,
            **made_now(),
        }

    def _edges(self, boxes: ArrayLike | None, count: int) -> NDArray[np.float64]:
        """Return the box of each photo, (N, 4)."""
        cropped = self.facts.preparation.faces is not None
        if boxes is None and cropped:
            raise InputError(
                f"{self.network.name}: was trained on photos cropped to faces; give boxes, (N, 4) "
                "with NaN where no face was found"
            )
        if boxes is None:
            return np.tile(NO_FACE, (count, 1))
        if not cropped:
            raise InputError(
                f"{self.network.name}: was trained on whole photos, so boxes must be None"
            )
        edges = np.asarray(boxes, dtype=np.float64)
        if edges.shape != (count, 4):
            raise InputError(f"boxes must have shape ({count}, 4); got {edges.shape}")
        return edges

    def _answers(
        self, items: Sequence[str | Path | Photo], edges: NDArray, progress: bool
    ) -> Iterator[Answer]:
        starts = range(0, len(items), self.batch_size)
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for start in track(
                starts,
                "Predicting photos",
                console=Console(stderr=True),
                disable=not progress,
                transient=True,
            ):
                rows = range(start, min(start + self.batch_size, len(items)))
                batch = np.stack(list(pool.map(lambda row: self._read(row, items, edges), rows)))
                yield self.network_answers(batch)

    def _read(self, row: int, items: Sequence[str | Path | Photo], edges: NDArray) -> Photo:
        """Return a prepared photo."""
        photo = items[row]
        if isinstance(photo, str | Path):
            photo = self.facts.preparation.load(photo)
        elif photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3 or not photo.size:
            raise InputError(
                f"photo {row} must be uint8 (height, width, 3); got {photo.dtype} {photo.shape}"
            )
        return self.facts.preparation(photo, edges[row])

    def network_answers(self, batch: NDArray[np.uint8]) -> Answer:
        """Return the network's answer to prepared photos, averaged over the views.

        Raises:
            InputError: It is not of finite numbers.
        """
        one = self.network(batch)
        check_finite(self.network.name, *one)
        if not self.views:
            return one
        other = self.network(np.ascontiguousarray(batch[:, :, ::-1]))
        check_finite(self.network.name, *other)
        years = None
        if one.years is not None and other.years is not None:
            years = np.mean([one.years, other.years], axis=0)
        return Answer(np.mean([one.probabilities, other.probabilities], axis=0), years)


def _listed(
    photos: str | Path | Sequence[str | Path | Photo] | NDArray[np.uint8],
) -> tuple[list[str], list]:
    """Return what each photo is called, and its path or pixels."""
    if isinstance(photos, str | Path) and Path(photos).is_dir():
        names = find_photos(photos)["image"].tolist()
        return names, [Path(photos, name) for name in names]
    items = [photos] if isinstance(photos, str | Path) else list(photos)
    if not items:
        raise InputError("photos must be a folder, a file or a sequence of photos; got none")
    names = []
    for row, item in enumerate(items):
        if not isinstance(item, str | Path | np.ndarray):
            raise InputError(f"a photo must be a path or an array; got {type(item).__name__}")
        names.append(str(row) if isinstance(item, np.ndarray) else Path(item).as_posix())
    return names, items
