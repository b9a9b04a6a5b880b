"""Photos without labels: of the test set, of a folder, or of a samples table."""

import os
from pathlib import Path
from typing import Any

from mmpretrain.registry import DATASETS

from mmmask.datasets.layout import find_photos, read_eval
from mmmask.datasets.photo_dataset import PhotoDataset
from mmmask.errors import InputError
from mmmask.reading import real_paths
from mmmask.tables import SAMPLES, read_table


@DATASETS.register_module()
class UnlabelledFaces(PhotoDataset):
    """Photos for consistency training; labels, where a table has some, are not looked at.

    Args:
        data_root: What the images of a table are relative to, and the home of ``eval/``.
        photos: ``eval`` for the photos in eval/info.csv, a folder, or a samples table (.parquet
            or .csv).
        pipeline: Transforms.

    Attributes:
        samples: The samples table, one row per photo, ``image`` relative to ``data_root`` or to
            the given folder.
        root: What ``image`` is relative to.
    """

    def __init__(self, data_root: str, *, photos: str = "eval", pipeline: list[dict]) -> None:
        super().__init__(data_root, pipeline=pipeline)
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

    def paths(self) -> set[str]:
        """Return the real paths of the photos."""
        return set(real_paths(self.root, self.samples["image"]))

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """Return what the pipeline starts from for photo ``idx``."""
        return {
            "img_path": os.path.join(self.root, self.samples["image"].iat[idx]),
            "sample_idx": idx,
        }
