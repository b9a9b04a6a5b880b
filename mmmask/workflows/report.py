"""One page on what a path holds: a data root or a run."""

from pathlib import Path

from mmmask.errors import InputError


def report(path: str | Path, out: str | Path, *, faces: int = 40) -> None:
    """Write the page of a data root or of a run directory.

    Args:
        path: A data root (holds ``train/train.csv``) or the folder of a training run.
        out: The page, .html.
        faces: Of a data root: how many photos of each class the page shows; 0: all.

    Raises:
        InputError: ``path`` is neither.
    """
    path = Path(path)
    if (path / "train" / "train.csv").is_file():
        from mmmask.workflows.data_report import data_report

        data_report(path, out, faces=faces)
    elif is_run(path):
        raise InputError(f"{path}: is a run directory; there is no page of runs yet")
    else:
        raise InputError(
            f"{path}: must be a data root, with train/train.csv, or a run directory, with "
            f"checkpoints; {'it has neither' if path.is_dir() else 'there is no such folder'}"
        )


def is_run(path: Path) -> bool:
    """Say whether a training run left its checkpoints in this folder."""
    return (path / "last_checkpoint").is_file() or any(path.glob("*.pth"))
