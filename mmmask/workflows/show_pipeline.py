"""Show what the training pipeline of a config does to photos."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmmask.blocks import test_steps
from mmmask.config import parse_options
from mmmask.errors import InputError
from mmmask.labels import CLASSES
from mmmask.reports.sheet import Cell, Row, plot_sheet

if TYPE_CHECKING:
    from mmengine.config import Config


@dataclass(frozen=True)
class DataPathCost:
    """What a photo costs on one core before it is in a batch; medians over turns."""

    plain: float  # microseconds to load and preprocess a photo
    training: float  # microseconds to load, augment and preprocess a draw of the training epoch
    ratio: float  # the second by the first, taken within a turn

    def __str__(self) -> str:
        return (
            f"a photo takes one core {self.plain:.0f} us without augmentation and "
            f"{self.training:.0f} us with it: {self.ratio:.2f} times as long"
        )


def show_pipeline(
    config: str | Path,
    *,
    out: str | Path,
    data_root: str | None = None,
    photos: int = 6,
    draws: int = 6,
    seed: int = 0,
    options: Sequence[str] = (),
) -> tuple[Path, DataPathCost]:
    """Write a sheet, and time the pipeline.

    A row is a photo, as preprocessed and in several draws of the training pipeline.

    Each column of draws is a batch as in training, of the config's batch size, so that Mixup and
    CutMix find partners; the photos of the sheet are its first. A photo that the config's sampler
    draws several times per epoch takes these draws in turn.

    Args:
        config: Path of a config file.
        out: Picture to write, .png or .jpg.
        data_root: Folder with ``train/``; None keeps the config's.
        photos: How many, of different classes as far as there are.
        draws: How many of each photo.
        seed: Seed of choice and draws.
        options: ``name=value`` overrides of the config.

    Raises:
        InputError: ``photos`` or ``draws`` is below 1, or ``out`` no picture.
    """
    if photos < 1 or draws < 1:
        raise InputError(f"--photos and --draws must be at least 1; got {photos} and {draws}")
    if Path(out).suffix.lower() not in {".png", ".jpg"}:
        raise InputError(f"--out must end in .png or .jpg; got {out}")
    from mmmask.engine.runner_config import load_checked

    cfg = load_checked(config, parse_options(options), data_root=data_root)
    rows = sheet_rows(cfg, photos=photos, draws=draws, seed=seed)
    columns = ["preprocessed", *(f"draw {draw + 1}" for draw in range(draws))]
    plot_sheet(rows, columns, out, title=f"{Path(config).stem}: {steps_in_words(cfg)}")
    return Path(out), data_path_cost(cfg)


def data_path_cost(cfg: "Config", *, photos: int = 64, turns: int = 7) -> DataPathCost:
    """Time reading photos with and without the augmentations of a config, in turns.

    What happens to batches, such as Mixup, is not counted: it takes place on the device.

    Args:
        cfg: Complete config.
        photos: How many per turn.
        turns: How many.
    """
    import cv2

    dataset, plain, sampler = _photos(cfg, seed=0)
    epoch = list(sampler)  # whose first draws may be those that are not augmented
    draws = epoch[:: max(len(epoch) // photos, 1)][:photos]
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # as in a data worker
    try:
        times = [
            [_seconds(one, draws) / len(draws) * 1e6 for one in (plain, dataset)]
            for _ in range(turns + 1)
        ][1:]  # the first reads files from the disk
    finally:
        cv2.setNumThreads(threads)
    without, augmented = np.array(times).T
    medians = [np.median(part) for part in (without, augmented, augmented / without)]
    return DataPathCost(*map(float, medians))


def _seconds(dataset: Any, draws: list) -> float:
    start = time.process_time()
    for draw in draws:
        dataset[draw]
    return time.process_time() - start


def _photos(cfg: "Config", seed: int) -> tuple[Any, Any, Any]:
    """Return the training set, the same without augmentation, and the sampler of a config."""
    from mmengine.registry import DATA_SAMPLERS, DATASETS, init_default_scope

    init_default_scope(cfg.default_scope)
    config = cfg.train_dataloader.dataset
    dataset = DATASETS.build(config)
    plain = DATASETS.build({**config, "pipeline": test_steps(cfg)})
    sampler = {**cfg.train_dataloader.sampler, "dataset": dataset, "seed": seed}
    return dataset, plain, DATA_SAMPLERS.build(sampler)


def sheet_rows(cfg: "Config", *, photos: int, draws: int, seed: int) -> list[Row]:
    """Return the rows of the sheet of a config."""
    from mmengine.registry import MODELS

    from mmmask.datasets.batching import stack_photos
    from mmmask.datasets.sampler import Draw
    from mmmask.engine.hooks.epoch_seed_hook import seed_everything
    from mmmask.structures import stacked

    dataset, plain, sampler = _photos(cfg, seed)
    times = Counter(getattr(draw, "row", draw) for draw in sampler)
    preprocessor = MODELS.build(cfg.model.data_preprocessor)

    random = np.random.default_rng(seed)
    order = random.permutation(len(dataset))
    shown = spread(dataset.labels()[order], photos)
    rest = max(cfg.train_dataloader.batch_size - len(shown), 0)
    batch = [*order[shown].tolist(), *np.delete(order, shown)[:rest].tolist()]

    names = [*CLASSES, "partly known"]  # a label of -1 is the last
    rows = [
        Row(
            f"{names[dataset.labels()[row]]}\n{times[row]} per epoch",
            [Cell(np.asarray(plain[row]["inputs"].permute(1, 2, 0))[..., ::-1])],
        )
        for row in batch[: len(shown)]
    ]
    for draw in range(draws):
        seeds = random.integers(2**32, size=len(batch))
        items = [
            dataset[Draw(row, int(number), draw % max(times[row], 1))]
            for row, number in zip(batch, seeds, strict=True)
        ]
        seed_everything(seed, draw, 0)  # for the batch augments
        done = preprocessor(stack_photos(items), training=True)
        inputs = done["inputs"][: len(shown)] * preprocessor.std + preprocessor.mean
        images = inputs.round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
        scores = stacked(done["data_samples"], "gt_score")
        for place, row in enumerate(rows):
            caption = "" if scores is None else mixture(scores[place].numpy())
            row.cells.append(Cell(images[place], caption))
    return rows


def spread(labels: np.ndarray, most: int) -> list[int]:
    """Return up to ``most`` positions that take turns through the classes, in class order."""
    from mmmask.datasets.sampler import earlier_draws

    chosen = np.lexsort((labels, earlier_draws(labels)))
    # Every k-th of the first turn, or few photos would all be of the first classes.
    first = len(np.unique(labels))
    if most < first:
        chosen = chosen[np.linspace(0, first - 1, most).round().astype(int)]
    return chosen[:most].tolist()


def mixture(score: np.ndarray) -> str:
    """Return the classes of a mixed photo with their shares; nothing for a single class."""
    present = np.flatnonzero(score > 0.005)
    if len(present) < 2:
        return ""
    largest = present[np.argsort(-score[present])]
    return "\n".join(f"{100 * score[label]:.0f} % {CLASSES[label]}" for label in largest)


def steps_in_words(cfg: "Config") -> str:
    """Return the names of the augmentations, those inside others in brackets."""
    augments = (cfg.batch_augments or {}).get("augments", [])
    steps = [*cfg.augmentations, *([augments] if isinstance(augments, dict) else augments)]
    sampler = cfg.train_dataloader.sampler.type
    return f"{', '.join(map(_name, steps)) or 'no augmentation'}; {sampler}"


def _name(step: dict[str, Any]) -> str:
    inner = step.get("transforms")
    return step["type"] + (f" [{', '.join(map(_name, inner))}]" if inner else "")
