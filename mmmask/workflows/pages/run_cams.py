"""Grad-CAM of the surest wrong answers, as pictures of the run page."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress, TaskID

from mmmask.datasets.face_boxes import read_boxes
from mmmask.datasets.photos import load_photo
from mmmask.datasets.preparation import NO_FACE
from mmmask.errors import InputError
from mmmask.reports.cam_overlay import heated
from mmmask.reports.pages.run_facts import RunFacts
from mmmask.reports.pages.thumbnails import encoded
from mmmask.workflows.pages.run_folder import RunFolder


def add_heats(
    facts: RunFacts, runs: Mapping[str, RunFolder], root: Path, most: int, missing: list[str]
) -> RunFacts:
    """Return the facts with pictures of where the evidence for the surest wrong answers lies.

    Args:
        facts: With ``scored`` and thumbnails.
        runs: Name -> run, whose checkpoints made the answers; of a k-fold one each fold.
        root: Where the photos are.
        most: How many answers.
        missing: Takes a sentence where it cannot be done.
    """
    scored = facts.scored
    assert scored is not None
    unreadable = {*facts.thumbnails.unreadable}
    rows = [r for r in scored.worst[:most] if scored.table["image"].iloc[r] not in unreadable]
    stated = scored.table.attrs.get("provenance", {})
    members = {f"fold {each['fold']}": each for each in stated.get("members", [])} or {"": stated}
    fold = scored.table["fold"].tolist() if "fold" in scored.table else None
    data, heats = list(facts.thumbnails.data), {}
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("where the evidence lies", total=len(rows))
        for name, run in runs.items():
            mine = [row for row in rows if not name or (fold and name == f"fold {fold[row]}")]
            checkpoint = run.checkpoint_of(members.get(name, {})) if mine else None
            if not mine:
                continue
            if checkpoint is None or run.config is None:
                missing.append(
                    f"{run.path}: no Grad-CAM, as the checkpoint that answered or its config is "
                    "not there any more."
                )
                continue
            images = [scored.table["image"].iloc[row] for row in mine]
            try:
                made = _heats(
                    run.config, checkpoint, root, images, scored.whole.predicted[mine],
                    facts.thumbnails.height, bar, task,
                )  # fmt: skip
            except InputError as error:
                missing.append(f"No Grad-CAM: {error}")
                continue
            for image, picture in zip(images, made, strict=True):
                heats[image] = len(data)
                data.append(picture)
    return replace(facts, heats=heats, thumbnails=replace(facts.thumbnails, data=tuple(data)))


def _heats(
    config: Path,
    checkpoint: Path,
    root: Path,
    images: Sequence[str],
    answers: NDArray[np.int64],
    height: int,
    bar: Progress,
    task: TaskID,
) -> list[str]:
    """Return one picture an image, as thumbnails are: what the network saw, and where it looked."""
    from mmmask.workflows.torch_network import TorchNetwork

    network = TorchNetwork(config, checkpoint, data_root=str(root))
    prepare = network.facts.preparation
    faces = network.cfg.preprocessing.get("faces")
    boxes = None if faces is None else read_boxes(faces["boxes"])
    pictures = []
    for image, answer in zip(images, answers, strict=True):
        photo = load_photo(root / image)
        row = None if boxes is None else boxes.rows.get(image)
        box = NO_FACE if boxes is None or row is None else boxes.edges[row]
        (heat,) = network.heat(prepare(photo, box)[None], [int(answer)])
        region = prepare.region(photo, box)
        pictures.append(encoded(np.ascontiguousarray(heated(region, heat)), height))
        bar.advance(task)
    return pictures
