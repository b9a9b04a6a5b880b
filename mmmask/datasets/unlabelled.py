"""Photos without labels: of the test set, of a folder, or of a samples table."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.dataset import BaseDataset
from mmpretrain.registry import DATASETS

from mmmask.datasets.layout import find_photos, read_eval
from mmmask.datasets.sampler import Draw
from mmmask.datasets.seeding import load_draws
from mmmask.errors import InputError
from mmmask.tables import SAMPLES, read_table


@DATASETS.register_module()
class UnlabelledFaces(BaseDataset):
    """Photos for consistency training; labels, where a table has some, are not looked at.

    Args:
        data_root: What the images of a table are relative to, and the home of ``eval/``.
        photos: ``eval`` for the photos in eval/info.csv, a folder, or a samples table (.parquet
            or .csv).
        pipeline: Transforms.

    Attributes:
        samples: The samples table, one row a photo, ``image`` relative to ``data_root`` or to
            the given folder.
        root: What ``image`` is relative to.
    """

    def __init__(self, data_root: str, *, photos: str = "eval", pipeline: list[dict]) -> None:
        super().__init__(ann_file="", data_root=str(data_root), pipeline=pipeline, lazy_init=True)
        self.root = Path(data_root)
        if photos == "eval":
            self.samples = read_eval(data_root)
        elif Path(photos).suffix in {".parquet", ".csv"}:
            self.samples = read_table(photos, SAMPLES)
        else:
            self.root = Path(photos)
            self.samples = find_photos(photos)
        if self.samples.empty:
            raise InputError(f"semi.photos: {photos} lists no photo")
        self._fully_initialized = True

    def full_init(self) -> None:
        """Do nothing: the table is read on construction."""

    def paths(self) -> set[Path]:
        """Return the absolute paths of the photos."""
        return {Path(os.path.abspath(self.root / image)) for image in self.samples["image"]}

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """Return what the pipeline starts from for photo ``idx``."""
        return {"img_path": f"{self.root}/{self.samples['image'].iat[idx]}", "sample_idx": idx}

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, draw: int | Draw) -> Any:
        """Load a photo; a :class:`Draw` also seeds its augmentation, in any process."""
        return self.__getitems__([draw])[0]

    def __getitems__(self, draws: Sequence[int | Draw]) -> list[Any]:
        """Load the photos of a batch; torch's DataLoader asks for them at once by this name."""
        return load_draws(self.pipeline, self.get_data_info, draws)
