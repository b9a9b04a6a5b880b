"""One page on what a path holds: a data root, a run, or a k-fold."""

from pathlib import Path

from mmmask.errors import InputError
from mmmask.workflows.pages.run_folder import is_kfold, is_run


def report(
    path: str | Path,
    out: str | Path,
    *,
    faces: int = 40,
    data_root: str | None = None,
    boxes: str | None = None,
    tags: str | None = None,
    cam: int = 48,
) -> None:
    """Write the page of a data root, of a run directory or of a k-fold.

    Args:
        path: A data root (holds ``train/train.csv``), the folder of a training run, or that of
            tools/kfold.py.
        out: The page, .html.
        faces: Of a data root: how many photos of each class the page shows; 0: all.
        data_root: Of a run: where the photos are; None: where they were in training.
        boxes: Of a run: table of tools/detect_faces.py, to slice by faces found.
        tags: Of a run: csv (person or image, tag), to slice by.
        cam: Of a run: for how many wrong answers Grad-CAM shows the evidence.

    Raises:
        InputError: ``path`` is none of them, or an option is not for what it is.
    """
    path = Path(path)
    if (path / "train" / "train.csv").is_file():
        given = {"--data-root": data_root, "--boxes": boxes, "--tags": tags}
        wrong = [name for name, value in given.items() if value is not None]
        if wrong:
            raise InputError(f"{path}: is a data root; {wrong[0]} is for the page of a run")
        from mmmask.workflows.pages.data_report import data_report

        data_report(path, out, faces=faces)
    elif is_run(path) or is_kfold(path):
        from mmmask.workflows.pages.run_report import run_report

        run_report(path, out, data_root=data_root, boxes=boxes, tags=tags, cam=cam)
    else:
        raise InputError(
            f"{path}: must be a data root, with train/train.csv, a run directory, with "
            "checkpoints, or that of a finished k-fold, with oof.parquet; "
            + ("it has none of them" if path.is_dir() else "there is no such folder")
        )
