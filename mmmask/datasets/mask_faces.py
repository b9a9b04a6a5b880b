"""The registered dataset: samples table in, packed photos out."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from mmpretrain.datasets import BaseDataset
from mmpretrain.registry import DATASETS
from numpy.typing import NDArray
from torch.utils.data import get_worker_info

from mmmask.datasets.corrections import correct, read_corrections
from mmmask.datasets.layout import read_eval, read_train, with_labels
from mmmask.datasets.sampler import Draw
from mmmask.datasets.splits import assign_folds
from mmmask.errors import InputError
from mmmask.labels import CLASSES, NUM_CLASSES, OLD_FROM
from mmmask.tables import SAMPLES, read_table

SPLITS = ("train", "val", "all", "eval")


@DATASETS.register_module()
class MaskFaceDataset(BaseDataset):
    """Photos of masked faces in the competition's layout, split by person.

    Args:
        data_root: Folder that holds ``train/`` and ``eval/``.
        split: ``train`` and ``val`` are the people outside and inside the held-out fold, ``all``
            is everybody in train/, ``eval`` the unlabelled photos in the order of info.csv.
        folds: How many folds the people are dealt into; the held-out share is 1 / folds.
        fold: The held-out fold.
        split_seed: Seed of the deal.
        old_from: First age, in years, labelled as old. A training set may use 57 to 59 against
            the shift of the test set; validation keeps the competition's 60.
        drop_ages: Ages (first, last) left out, both included; None keeps all. For training.
        corrections: csv of label corrections. The folds do not depend on it.
        samples: Tables of further samples (pseudo-labels, external photos) that join ``train``
            and ``all``; their ``image`` is relative to ``data_root``.
        pipeline: Transforms.

    Attributes:
        samples: The samples table of this split, one row a photo, in the dataset's order.
    """

    METAINFO = {"classes": CLASSES}  # noqa: RUF012 - the name and form are MMEngine's

    def __init__(
        self,
        data_root: str,
        *,
        split: str,
        folds: int = 5,
        fold: int = 0,
        split_seed: int = 0,
        old_from: int = OLD_FROM,
        drop_ages: tuple[int, int] | None = None,
        corrections: str | None = None,
        samples: Sequence[str] = (),
        pipeline: Sequence[dict] = (),
        test_mode: bool = False,
    ) -> None:
        if split not in SPLITS:
            raise InputError(f"data split must be one of {', '.join(SPLITS)}; got {split!r}")
        if not 0 <= fold < folds:
            raise InputError(f"data.fold must be from 0 to folds - 1 = {folds - 1}; got {fold}")
        super().__init__(
            ann_file="",
            data_root=str(data_root),
            pipeline=pipeline,
            test_mode=test_mode,
            lazy_init=True,
        )
        self.split = split
        self.old_from = old_from
        root = Path(data_root)
        if split == "eval":
            table = read_eval(root)
        else:
            table = read_train(root)
            table["fold"] = assign_folds(table, folds=folds, seed=split_seed)
            if corrections is not None:
                table = correct(table, read_corrections(corrections), str(corrections))
            if drop_ages is not None:
                table = table[~table["age"].between(*drop_ages)]
            table = with_labels(table, old_from)
            if split != "all":
                table = table[(table["fold"] == fold) == (split == "val")]
            if split != "val":
                table = pd.concat([table, *(_read_labelled(path) for path in samples)])
        if table.empty:
            raise InputError(f"{root}: no photo is in the {split} split (drop_ages={drop_ages})")
        self.samples = table.reset_index(drop=True)
        self._images = pa.array(self.samples["image"])  # one buffer, shared by forked workers
        self._labels = self.labels() if split != "eval" else None
        weights = self.samples.get("weight", pd.Series(dtype="float32")).fillna(1)
        self._weights = None if (weights == 1).all() else weights.to_numpy(dtype=np.float32)
        self._fully_initialized = True

    def full_init(self) -> None:
        """Do nothing: the table is read on construction and costs little to keep."""

    def labels(self) -> NDArray[np.int64]:
        """Return the class of each photo, shape (N,)."""
        return self.samples["label"].to_numpy(dtype=np.int64)

    def class_counts(self) -> NDArray[np.int64]:
        """Return the number of photos of each class, shape (18,)."""
        return np.bincount(self.labels(), minlength=NUM_CLASSES)

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """Return what the pipeline starts from for photo ``idx``."""
        info = {"img_path": f"{self.data_root}/{self._images[idx].as_py()}", "sample_idx": idx}
        if self._labels is not None:
            info["gt_label"] = int(self._labels[idx])
        if self._weights is not None:
            info["weight"] = float(self._weights[idx])
        return info

    def load_data_list(self) -> list[dict[str, Any]]:
        """Return :meth:`get_data_info` of every photo."""
        return [self.get_data_info(idx) for idx in range(len(self))]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, draw: int | Draw) -> Any:
        """Load a photo; a :class:`Draw` also seeds its augmentation, in any process."""
        if isinstance(draw, Draw):
            with seeded(draw.seed):
                return self.pipeline(self.get_data_info(draw.row))
        return self.pipeline(self.get_data_info(draw))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the generators that transforms draw from; the main process gets its own states back."""
    # OpenMMLab's transforms draw from the global generators.
    saved = None
    if get_worker_info() is None:
        saved = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        if saved is not None:
            random.setstate(saved[0])
            np.random.set_state(saved[1])  # noqa: NPY002
            torch.set_rng_state(saved[2])


def _read_labelled(path: str) -> pd.DataFrame:
    """Return a table of further training samples; each needs a label."""
    table = read_table(path, SAMPLES)
    if "label" not in table or table["label"].isna().any():
        raise InputError(f"{path}: every further training sample needs a label from 0 to 17")
    if not table["label"].between(0, NUM_CLASSES - 1).all():
        raise InputError(f"{path}: label must be from 0 to 17; got {table['label'].max()}")
    return table
