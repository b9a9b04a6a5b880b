"""Was a calibration fitted on the people whose calibrated predictions are scored?

Scored on people that it was fitted on, a calibration seems better than it is on others.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmmask.evaluation.calibrated_tables import read_calibration
from mmmask.ledger.provenance import file_hash, nested

#: Where the provenance of calibrated predictions says by which file, and what that was fitted on.
CALIBRATION = "calibration"
#: Splits whose people are those of ``train/``.
_TRAINING = ("train", "val", "all", "oof")


def calibration_origin(path: str | Path) -> dict[str, Any]:
    """Return what :data:`CALIBRATION` says of a calibration file.

    Raises:
        InputError: The file is missing or holds no calibration.
    """
    fitted = read_calibration(path).provenance
    known = {key: fitted.get(key) for key in ("split", "data_fingerprint")}
    return {"path": str(path), "hash": file_hash(Path(path)), **known}


def calibrated_on_people(provenance: Mapping[str, Any]) -> str | None:
    """Return a sentence on predictions whose calibration knows these people; None: it does not.

    A table of a part of the people does not tell whether a calibration fitted on others of the same
    folder knows them: then the sentence says that it may.
    """
    splits = {provenance.get("split")}
    if not splits.isdisjoint(_TRAINING):
        splits = set(_TRAINING)
    applied = [
        part[CALIBRATION]
        for part in nested(provenance)
        if isinstance(part.get(CALIBRATION), Mapping)
    ]
    known = [one for one in applied if one.get("split") is not None and one["split"] in splits]
    if not known:
        return None
    names = " and ".join(dict.fromkeys(Path(one["path"]).name for one in known))
    stated = provenance.get("data_fingerprint")
    same = stated is not None and all(one.get("data_fingerprint") == stated for one in known)
    fitted = "fitted on these very people" if same else "perhaps fitted on these people too"
    return f"calibrated by {names}, {fitted}: on others expect a somewhat lower score"
