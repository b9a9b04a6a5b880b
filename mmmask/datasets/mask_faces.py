"""The registered dataset: samples table in, packed photos out."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import pyarrow as pa
from mmpretrain.registry import DATASETS
from numpy.typing import NDArray

from mmmask.csv_files import row_place
from mmmask.datasets.corrections import correct, read_corrections
from mmmask.datasets.data_source import DataSource, Stated, sample_tables
from mmmask.datasets.layout import with_labels
from mmmask.datasets.packed import open_pack, packed_steps
from mmmask.datasets.photo_dataset import PhotoDataset
from mmmask.datasets.splits import folds_of
from mmmask.datasets.teacher import SHARE, with_soft_labels
from mmmask.datasets.unreadable import DROP, PREDICT, dropped_as_unreadable
from mmmask.errors import InputError
from mmmask.known import age_spans, ages_of, class_counts, classes_of, labels_of
from mmmask.labels import CLASSES, OLD_FROM
from mmmask.reading import real_paths
from mmmask.tables import OUTLIERS, SAMPLES, probabilities, read_table, years_of

Split = Literal["train", "val", "all", "eval"]


@DATASETS.register_module()
class MaskFaceDataset(PhotoDataset):
    """Photos of masked faces, in the competition's layout or listed by tables, split by person.

    Args:
        data_root: Folder that holds ``train/`` and ``eval/``, or what photos of tables are
            relative to.
        table: Tables of the photos to learn from, see :mod:`mmmask.datasets.data_source`; None:
            those of the layout. What is known of a photo may be a part of its label.
        eval_table: Table of the photos to predict; None: those of the layout.
        split: ``train`` and ``val`` are the people outside and inside the held-out fold, ``all``
            is everybody in train/, ``eval`` the unlabelled photos in the order of info.csv.
        folds: How many folds the people are dealt into; the held-out share is 1 / folds.
        fold: The held-out fold.
        split_seed: Seed of the deal.
        old_from: First age, in years, labelled as old. A training set may use 57 to 59 against
            the shift of the test set; validation keeps the competition's 60.
        drop_ages: Ages (first, last) left out, both included; None keeps all. For training. Of a
            photo whose age is a range, all of it must lie there.
        drop: csv of photos (``image``) that ``train`` and ``all`` leave out, as reviewed after
            ``tools/data_stats.py``; ``val`` leaves out those of the reason ``unreadable`` alone.
            The folds do not depend on it.
        corrections: csv of label corrections. The folds do not depend on it.
        samples: Tables of further samples (pseudo-labels, external photos) that join ``train``
            and ``all``; their ``image`` is relative to ``data_root``.
        teacher: Predictions tables whose probabilities become soft labels of ``train`` and
            ``all``, see :mod:`mmmask.datasets.teacher`. Counts of classes follow the true labels.
        teacher_share: How much of a soft label is the teacher's, 0 to 1; None is 0.7.
        unread: Photos that ``eval`` leaves out, as they cannot be read.
        pack: File of packed photos, see :mod:`mmmask.datasets.packed`; None decodes each photo
            each time. Numbers are the same either way.
        pipeline: Transforms.

    Attributes:
        source_weights: Source -> its share of a batch, relative to the others; None: none is
            stated, and each photo counts alike.
        samples: The samples table of this split, one row per photo, in the dataset's order. With
            a teacher, it has the soft labels too, as a predictions table has them.
    """

    METAINFO = {"classes": CLASSES}  # noqa: RUF012 - the name and form are MMEngine's

    def __init__(
        self,
        data_root: str,
        *,
        split: Split,
        table: Stated = None,
        eval_table: str | None = None,
        folds: int = 5,
        fold: int = 0,
        split_seed: int = 0,
        old_from: int = OLD_FROM,
        drop_ages: tuple[int, int] | None = None,
        drop: str | None = None,
        corrections: str | None = None,
        samples: Sequence[str] = (),
        teacher: str | Sequence[str] | None = None,
        teacher_share: float | None = None,
        unread: Sequence[str] = (),
        pack: str | None = None,
        pipeline: Sequence[dict] = (),
        test_mode: bool = False,
    ) -> None:
        if split not in get_args(Split):
            known = ", ".join(get_args(Split))
            raise InputError(f"data split must be one of {known}; got {split!r}")
        check_fold(fold, folds)
        if teacher_share is not None and not teacher:
            raise InputError(
                f"data.teacher_share needs data.teacher; got {teacher_share} without it"
            )
        done = 0 if pack is None else packed_steps(pipeline)
        super().__init__(data_root, pipeline=pipeline[done:], test_mode=test_mode)
        self.split = split
        self.way_out = PREDICT if split == "eval" else DROP
        root = Path(data_root)
        source = DataSource(
            root, sample_tables(table), None if eval_table is None else Path(eval_table)
        )
        self.source_weights = source.weights if split in ("train", "all") else None
        held_out: Iterable[str] = ()
        if split == "eval":
            photos = source.eval()
            photos = photos[~photos["image"].isin(list(unread))]
        else:
            photos = source.train()
            further = _further(samples, photos, root) if split != "val" else []
            photos["fold"] = folds_of(photos, folds=folds, seed=split_seed)
            photos = self._labelled(photos, corrections, drop, drop_ages, old_from)
            photos, held_out = self._of_split(photos, fold)
            photos = pd.concat([photos, *further])
        if photos.empty:
            left_out = f"data.drop={drop}, data.drop_ages={drop_ages}"
            raise InputError(f"{root}: no photo is in the {split} split; left out are {left_out}")
        taught = bool(teacher) and split in ("train", "all")
        if taught:
            photos = with_soft_labels(
                photos,
                teacher,
                SHARE if teacher_share is None else teacher_share,
                fold=fold,
                old_from=old_from,
                held_out=held_out,
            )
        self.samples = photos.reset_index(drop=True)
        self._images = pa.array(self.samples["image"])  # one buffer, shared by forked workers
        self._packed = None
        if pack is not None:
            steps = pipeline[:done]
            self._packed = open_pack(pack, self._images, data_root=root, steps=steps)
        self._keep_columns(taught=taught)

    def _labelled(
        self,
        photos: pd.DataFrame,
        corrections: str | None,
        drop: str | None,
        drop_ages: tuple[int, int] | None,
        old_from: int,
    ) -> pd.DataFrame:
        """Return the photos that are not left out, with what is known of their classes."""
        if corrections is not None:
            photos = correct(photos, read_corrections(corrections), str(corrections))
        if drop is not None:
            photos = without(photos, drop, unreadable=self.split == "val")
        if drop_ages is not None:
            youngest, oldest = age_spans(photos)
            photos = photos[(youngest < drop_ages[0]) | (oldest > drop_ages[1])]
        return with_labels(photos, old_from)

    def _of_split(self, photos: pd.DataFrame, fold: int) -> tuple[pd.DataFrame, Iterable[str]]:
        """Return the photos of this split, and those that are held out from ``train``."""
        held_out = photos["image"][photos["fold"] == fold] if self.split == "train" else ()
        if self.split != "all":
            photos = photos[(photos["fold"] == fold) == (self.split == "val")]
        return photos, held_out

    def _keep_columns(self, *, taught: bool) -> None:
        """Keep what is asked for photo by photo as arrays; None where nothing is known of any."""
        self._labels = self.labels() if self.split != "eval" else None
        # A teacher's soft label stands for the classes that fit.
        several = self._labels is not None and (self._labels < 0).any() and not taught
        self._fits = classes_of(self.samples) if several else None
        self._ages, self._age_spans = ages_of(self.samples)
        people = self.samples["person"]
        codes, names = pd.factorize(people.where(people != ""))  # -1 where missing
        self._people = codes.astype(np.int64) if len(names) else None
        self._soft_labels = probabilities(self.samples) if taught else None
        self._soft_ages = years_of(self.samples) if taught else None
        weights = self.samples.get("weight", pd.Series(dtype="float32")).fillna(1)
        self._weights = None if (weights == 1).all() else weights.to_numpy(dtype=np.float32)

    def labels(self) -> NDArray[np.int64]:
        """Return the class of each photo, shape (N,), -1 where several fit what is known.

        The photos of ``eval`` have none.
        """
        if "label" not in self.samples:
            raise InputError(f"data split must be one with labels; got {self.split!r}")
        return labels_of(self.samples)

    def fits(self) -> NDArray[np.bool_]:
        """Return which classes agree with what is known of each photo, (N, 18)."""
        return classes_of(self.samples)

    def people(self) -> NDArray[np.int64]:
        """Return the code of each photo's person, shape (N,), -1 where unknown.

        Codes are counted from 0 within this split; the photos of ``eval`` have none.
        """
        if self._people is None:
            raise InputError(f"data split must be one with known people; got {self.split!r}")
        return self._people

    def class_counts(self) -> NDArray:
        """Return the number of photos of each class, shape (18,), the most likely where unknown."""
        self.labels()  # refuses a split that has none
        return class_counts(self.samples)

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """Return what the pipeline starts from for photo ``idx``."""
        info: dict[str, Any] = {
            "img_path": self.path_of(self._images[idx].as_py()),
            "sample_idx": idx,
        }
        if self._labels is not None:
            info["gt_label"] = int(self._labels[idx])
        if self._ages is not None:
            info["age"] = int(self._ages[idx])
        if self._people is not None:
            info["person"] = int(self._people[idx])
        for name, values in (
            ("gt_score", self._soft_labels),
            ("age_score", self._soft_ages),
            ("fits", self._fits),
            ("age_span", self._age_spans),
        ):
            if values is not None:
                info[name] = values[idx]
        if self._weights is not None:
            info["weight"] = float(self._weights[idx])
        if self._packed is not None:
            info["img"] = self._packed[idx]
            info["img_shape"] = info["img"].shape[:2]
        return info


def check_fold(fold: int, folds: int) -> None:
    """Refuse a fold that is none of ``folds``."""
    if not 0 <= fold < folds:
        raise InputError(f"data.fold must be from 0 to data.folds - 1 = {folds - 1}; got {fold}")


def without(table: pd.DataFrame, drop: str, *, unreadable: bool = False) -> pd.DataFrame:
    """Return the samples without the photos that a csv lists, or those that cannot be read alone.

    Raises:
        InputError: It lists a photo that is not among the samples.
    """
    dropped = read_table(drop, OUTLIERS)["image"]
    unknown = dropped[~dropped.isin(table["image"])]
    if len(unknown):
        raise InputError(
            f"{row_place(drop, unknown.index[0])}: image must be a photo of the data, "
            f"such as {table['image'].iloc[0]}; got {unknown.iloc[0]!r}"
        )
    return table[~table["image"].isin(dropped_as_unreadable(drop) if unreadable else dropped)]


def _further(paths: Sequence[str], photos: pd.DataFrame, root: Path) -> list[pd.DataFrame]:
    """Return tables of further training samples; refuse photos that are among others already."""
    tables = [_read_labelled(path) for path in paths]
    known = set(real_paths(root, photos["image"])) if tables else set()
    for path, table in zip(paths, tables, strict=True):
        real = real_paths(root, table["image"])
        shared = table["image"][[photo in known for photo in real]]
        if len(shared):
            raise InputError(
                f"{path}: {len(shared):,} of its {len(table):,} photos are photos of {root} or of "
                f"an earlier table already, perhaps of people held out; the first is "
                f"{shared.iloc[0]}; leave them out"
            )
        known.update(real)
    return tables


def _read_labelled(path: str) -> pd.DataFrame:
    """Return a table of further training samples; each needs a label."""
    table = read_table(path, SAMPLES)
    if table.empty:
        raise InputError(f"{path}: has no rows")
    if "label" not in table or table["label"].isna().any():
        raise InputError(f"{path}: every further training sample needs a label from 0 to 17")
    return table
