"""HiResCAM of the surest wrong answers, as pictures of the run page."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import Progress

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
        runs: Name -> run, whose checkpoints made the answers; of a k-fold one per fold.
        root: Where the photos are.
        most: How many answers.
        missing: Takes a sentence where it cannot be done.
    """
    scored = facts.scored
    assert scored is not None
    table, thumbnails = scored.table, facts.thumbnails
    wrong = table.assign(answer=scored.whole.predicted).iloc[scored.worst[:most]]
    wrong = wrong[~wrong["image"].isin(thumbnails.unreadable)]
    run_of = "fold " + wrong["fold"].astype(str) if "fold" in wrong else pd.Series("", wrong.index)
    stated = table.attrs.get("provenance", {})
    members = {f"fold {each['fold']}": each for each in stated.get("members", [])} or {"": stated}
    data, heats = list(thumbnails.data), dict[str, int]()
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("where the evidence lies", total=len(wrong))
        for name, run in runs.items():
            mine = wrong[run_of == name] if name else wrong
            if mine.empty:
                continue
            checkpoint = run.checkpoint_of(members.get(name, {}))
            if checkpoint is None or run.config is None:
                missing.append(
                    f"{run.path}: no HiResCAM, as the checkpoint that answered or its config is "
                    "not there any more."
                )
                continue
            try:
                pictures = _heats(run.config, checkpoint, root, mine, thumbnails.height)
                made = dict(bar.track(pictures, len(wrong), task_id=task))
            except InputError as error:
                missing.append(f"No HiResCAM: {error}")
                continue
            heats |= {image: len(data) + number for number, image in enumerate(made)}
            data += made.values()
    return replace(facts, heats=heats, thumbnails=replace(thumbnails, data=tuple(data)))


def _heats(
    config: Path, checkpoint: Path, root: Path, wrong: pd.DataFrame, height: int
) -> Iterator[tuple[str, str]]:
    """Yield image and picture, as thumbnails are: what the network saw, and where it looked."""
    from mmmask.workflows.torch_network import TorchNetwork

    network = TorchNetwork(config, checkpoint, data_root=str(root))
    prepare = network.facts.preparation
    images = wrong["image"].tolist()
    boxes = network.boxes(images)
    edges = [NO_FACE] * len(images) if boxes is None else boxes
    for image, box, answer in zip(images, edges, wrong["answer"], strict=True):
        photo = load_photo(root / image)
        (heat,) = network.heat(prepare(photo, box)[None], [int(answer)])
        region = prepare.region(photo, box)
        yield image, encoded(np.ascontiguousarray(heated(region, heat)), height)
