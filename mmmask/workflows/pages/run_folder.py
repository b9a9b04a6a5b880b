"""What a run left in its folder: config, checkpoints, card, and predictions of its hold-out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmmask.csv_files import read_csv
from mmmask.errors import InputError, MissingFileError
from mmmask.ledger.cards import CARD, read_card
from mmmask.ledger.provenance import file_hash
from mmmask.tables import column_names, read_provenance
from mmmask.workflows.studies.commands import last_checkpoint
from mmmask.workflows.studies.folds import VAL

OOF, FEATURES, SPLIT = "oof.parquet", "features.arrow", "split.csv"


@dataclass(frozen=True)
class RunFolder:
    """The folder of a training run.

    Attributes:
        path: The folder.
        card: As of :mod:`mmmask.ledger.cards`; empty where it has none.
    """

    path: Path
    card: dict[str, Any]

    @classmethod
    def at(cls, path: Path) -> "RunFolder":
        """Return the run of a folder.

        Raises:
            InputError: Its card is damaged.
        """
        return cls(path, read_card(path) if (path / CARD).is_file() else {})

    @property
    def config(self) -> Path | None:
        """The complete config that the run saved, the newest if there are several."""
        files = sorted(self.path.glob("*.py"), key=lambda file: file.stat().st_mtime)
        return files[-1] if files else None

    @property
    def config_name(self) -> str:
        """Name of the config that the run was started from, without suffix."""
        return Path(self._session.get("config_file") or self.config or "").stem

    @property
    def config_text(self) -> str:
        """The complete config of the last session, from the card or from its file."""
        text = self.card.get("configs", {}).get(self._session.get("config_hash"))
        return text or ("" if self.config is None else self.config.read_text())

    @property
    def checkpoint(self) -> Path:
        """The best checkpoint by validation; the last one where none was validated."""
        best = sorted(self.path.glob("best_*.pth"), key=lambda file: file.stat().st_mtime)
        if best:
            return best[-1]
        named = last_checkpoint(self.path) if (self.path / "last_checkpoint").is_file() else None
        if named is None or not named.is_file():
            raise MissingFileError(
                f"{self.path}: has no checkpoint, neither best_*.pth nor one that last_checkpoint "
                "names"
            )
        return named

    @property
    def data_root(self) -> str | None:
        """Where the photos were, as the card or the config says."""
        if self.card:
            return (self._session.get("data") or {}).get("root")
        if self.config is None:
            return None
        from mmmask.config import load_config

        return load_config(self.config).get("data", {}).get("data_root")

    @property
    def holds_out(self) -> bool:
        """Whether the run left people out of its training, so that it can be scored on them."""
        if (self.path / SPLIT).is_file():
            return bool((read_csv(self.path / SPLIT, ("person", "part"))["part"] == "val").any())
        return (self._session.get("split") or {}).get("trained_on") != "all"

    def predictions(self) -> Path | None:
        """Return the predictions of the people held out, made by a checkpoint that is there.

        ``val.parquet`` comes first, then tables without test-time augmentation, those of the best
        checkpoint, and the newest.
        """
        tables = [*self.path.glob("*.parquet"), *self.path.glob("test/*.parquet")]
        found = [table for table in tables if self._is_ours(table)]

        def rank(table: Path) -> tuple:
            stated = read_provenance(table)
            best = Path(stated["checkpoint"]).name.startswith("best_")
            plain = not stated.get("tta")
            return table.name == VAL, plain, best, table.stat().st_mtime

        return max(found, key=rank, default=None)

    def checkpoint_of(self, stated: dict[str, Any]) -> Path | None:
        """Return the checkpoint that made predictions, by their provenance, if it is still here."""
        path = self.path / Path(stated.get("checkpoint") or "none").name
        same = path.is_file() and file_hash(path) == stated.get("checkpoint_hash")
        return path if same else None

    @property
    def _session(self) -> dict[str, Any]:
        """What the card tells of the last session; empty without a card."""
        return self.card["sessions"][-1] if self.card else {}

    def _is_ours(self, table: Path) -> bool:
        try:
            stated, names = read_provenance(table), column_names(table)
        except InputError:  # some other table
            return False
        scored = stated.get("split") == "val" and {"image", "label"} <= {*names}
        return scored and self.checkpoint_of(stated) is not None


def is_run(path: Path) -> bool:
    """Say whether a training run left its checkpoints in this folder."""
    return (path / "last_checkpoint").is_file() or any(path.glob("*.pth"))


def is_out_of_fold(path: Path) -> bool:
    """Say whether this folder has everybody's predictions, by models that have not seen them."""
    return (path / OOF).is_file()
