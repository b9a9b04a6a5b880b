"""One page on what a path holds: a data root, a run, or predictions out of fold."""

from pathlib import Path

from mmmask.errors import InputError
from mmmask.reading import is_table
from mmmask.workflows.pages.run_folder import is_out_of_fold, is_run


def report(
    path: str | Path,
    out: str | Path,
    *,
    faces: int = 40,
    data_root: str | None = None,
    boxes: str | None = None,
    tags: str | None = None,
    features: str | None = None,
    cam: int = 48,
) -> None:
    """Write the page of a data root, of a run directory, or of a k-fold or a probe.

    ``faces`` is for a data root, see :func:`~mmmask.workflows.pages.data_report.data_report`; what
    follows is for a run, see :func:`~mmmask.workflows.pages.run_report.run_report`.

    Raises:
        InputError: ``path`` is none of them, or an option is not for what it is.
    """
    path = Path(path)
    if (path / "train" / "train.csv").is_file() or is_table(path):
        given = {"data-root": data_root, "boxes": boxes, "tags": tags, "features": features}
        wrong = [f"--{name}" for name, value in given.items() if value is not None]
        if wrong:
            raise InputError(f"{path}: holds data; {wrong[0]} is for the page of a run")
        from mmmask.workflows.pages.data_report import data_report

        data_report(path, out, faces=faces)
    elif is_run(path) or is_out_of_fold(path):
        from mmmask.workflows.pages.run_report import run_report

        run_report(
            path, out, data_root=data_root, boxes=boxes, tags=tags, features=features, cam=cam
        )
    else:
        raise InputError(
            f"{path}: must be a data root (train/train.csv), a table of photos, or the folder of "
            "a run (checkpoints) or of a finished k-fold or probe (oof.parquet); "
            + ("it has none of them" if path.is_dir() else "there is no such folder")
        )
