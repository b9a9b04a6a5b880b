"""Predict gender and age of each person from people who look alike, without training a network.

A frozen pretrained backbone tells how alike two people look; kernel ridge regression on all other
people predicts the person from that. It is no match for a trained network, but it makes other
mistakes and takes minutes: a second opinion on wrong labels.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.progress import track
from scipy.special import softmax

from mmmask.blocks import compose, plain
from mmmask.config import parse_options
from mmmask.datasets.face_boxes import preprocessing_facts
from mmmask.datasets.packed import ensure_pack
from mmmask.errors import InputError
from mmmask.evaluation.calibration import fit_calibration
from mmmask.evaluation.leave_one_out import RIDGE, leave_one_out, similarity
from mmmask.labels import MASKS, NUM_YEARS, OLD_FROM, decode, group_probabilities
from mmmask.ledger.provenance import fingerprint, made_now
from mmmask.tables import check_finite, prediction_columns, write_table, year_columns

if TYPE_CHECKING:
    from mmengine.config import Config

    from mmmask.datasets.mask_faces import MaskFaceDataset

Floats = NDArray[np.float64]

#: Depths of the backbone that people are compared at.
DEPTHS = 6


def probe(
    config: str | Path,
    out_dir: str | Path,
    *,
    data_root: str | None = None,
    pretrained: str | None = None,
    corrections: str | None = None,
    pack: str | None = None,
    options: Sequence[str] = (),
) -> dict[str, pd.DataFrame]:
    """Write ``gender.parquet`` and ``age.parquet``, out-of-fold predictions of everybody.

    Args:
        config: Its backbone, pretrained weights and preprocessing are used.
        out_dir: Folder to write to.
        data_root: Folder with ``train/``; None keeps the config's.
        pretrained: Weights of the backbone, a path or URL; None keeps the config's.
        corrections: csv of label corrections.
        pack: File of packed photos to read; made first where it is missing or stale.
        options: ``name=value`` overrides of the config.

    Returns:
        Attribute -> its table.

    Raises:
        InputError: There are no pretrained weights, all people have one gender, or only one has
            a photo in some state of the mask.
    """
    from mmmask.engine.runner_config import load_checked

    cfg = load_checked(
        config, parse_options(options), data_root=data_root, corrections=corrections, pack=pack
    )
    cfg.pretrained = cfg.pretrained if pretrained is None else pretrained
    if cfg.pretrained in (None, "none"):
        raise InputError(
            f"{config}: pretrained must name weights, a path or URL; got none: a backbone that has "
            "learned nothing cannot compare faces"
        )
    dataset, photos = _photos(cfg)
    samples = dataset.samples
    if samples["gender"].nunique() < 2:
        raise InputError(f"{cfg.data.data_root}: all people have one gender; nothing to compare")
    genders, by_year = predict_people(samples, photos)
    known = ["image", "label", "person"]
    parts = {
        "gender": [pd.DataFrame(genders)],
        "age": [pd.DataFrame(group_probabilities(by_year)), year_columns(by_year)],
    }
    tables = {}
    for name, (values, *more) in parts.items():
        columns, names = prediction_columns(name)
        values.columns = list(names)
        tables[name] = pd.concat([samples[known], values, *more], axis=1)
        provenance = {
            "method": f"kernel ridge regression ({RIDGE}) on all other people",
            "pretrained": cfg.pretrained,
            "backbone": plain(cfg.backbone),
            "preprocessing": preprocessing_facts(cfg),
            "corrections": cfg.data.corrections,
            "data_fingerprint": fingerprint(samples),
            "split": "oof",
            "old_from": OLD_FROM if name == "age" else None,
            **made_now(),
        }
        write_table(Path(out_dir) / f"{name}.parquet", tables[name], columns, provenance)
    return tables


def predict_people(
    samples: pd.DataFrame, photos: Iterable[Sequence[NDArray[np.floating]]]
) -> tuple[NDArray[np.floating], NDArray[np.float32]]:
    """Return what other people predict of each photo's gender and age.

    Photos are compared with photos in the same state of the mask; those of a person in one state
    are averaged. Ages are normal around the predicted year, with the deviation of the errors.

    Shape:
        ``samples``: N photos; ``photos``: see :func:`means_of` -> (N, 2), (N, 121).
    """
    labels = decode(samples["label"].to_numpy(dtype=np.int64))
    _, person = np.unique(samples["person"].to_numpy(dtype=str), return_inverse=True)
    cell = person * len(MASKS) + labels["mask"]  # of one person in one state
    ages = samples["age"].to_numpy(dtype=np.float64)
    targets = np.stack([2.0 * labels["gender"] - 1, ages], axis=1)
    scores, years = by_others(means_of(cell, photos), cell, targets).T
    genders = softmax(np.stack([-scores, scores], axis=1), axis=1)
    genders = fit_calibration(genders, labels["gender"], person=person)(genders)
    return genders, normal_years(years, float(np.sqrt(np.mean((years - ages) ** 2))))


def means_of(
    cell: NDArray[np.integer], photos: Iterable[Sequence[NDArray[np.floating]]]
) -> list[NDArray[np.floating]]:
    """Return the mean features of the photos in each cell, zeros where there are none.

    Shape:
        ``cell``: (N,); ``photos`` yields batches in order, each K times (n, D)
        -> K times (cells, D).
    """
    counts = np.bincount(cell)
    sums: list[NDArray[np.float32]] = []
    begin = 0
    for kinds in photos:
        rows = cell[begin : begin + len(kinds[0])]
        begin += len(rows)
        sums = sums or [np.zeros((len(counts), kind.shape[1]), np.float32) for kind in kinds]
        for total, kind in zip(sums, kinds, strict=True):
            np.add.at(total, rows, kind)
    few = np.maximum(counts, 1).astype(np.float32)[:, None]
    return [total / few for total in sums]


def by_others(
    means: Sequence[NDArray[np.floating]], cell: NDArray[np.integer], targets: Floats
) -> Floats:
    """Return what other people's photos in the same state predict of each photo.

    Shape:
        ``means``: K times (cells, D), see :func:`means_of`; ``cell``: (N,), person * number of
        states + state; ``targets``: (N, T), the same for all photos of a person -> (N, T).
    """
    cells, first, of_photo = np.unique(cell, return_index=True, return_inverse=True)
    predicted = np.empty((len(cells), targets.shape[1]))
    for state in np.unique(cells % len(MASKS)):
        mine = cells % len(MASKS) == state
        if mine.sum() < 2:
            raise InputError(
                f"only one person has a photo of mask {MASKS[state]}: there is nobody to compare"
            )
        kernel = similarity([kind[cells[mine]] for kind in means])
        predicted[mine] = leave_one_out(kernel, targets[first[mine]])
    return predicted[of_photo]


def normal_years(means: NDArray[np.floating], deviation: float) -> NDArray[np.float32]:
    """Return normal distributions over the ages 0 to 120, (N,) -> (N, 121)."""
    log_p = -0.5 * ((np.arange(NUM_YEARS) - means[:, None]) / deviation) ** 2
    return softmax(log_p, axis=1).astype(np.float32)


def _photos(cfg: "Config") -> tuple["MaskFaceDataset", Iterable[list[NDArray[np.float32]]]]:
    """Return the data set of everybody, and its photos' features in order, batch by batch."""
    from mmengine.device import get_device
    from mmengine.logging import MMLogger
    from mmengine.registry import init_default_scope
    from mmengine.runner import Runner
    from mmpretrain.registry import MODELS

    import mmmask.register  # noqa: F401
    from mmmask.engine.pretrained import check_pretrained, pretrained_weights
    from mmmask.models.frozen_features import features

    init_default_scope(cfg.default_scope)
    cfg.test_dataloader.dataset.split = "all"
    compose(cfg)
    pretrained_weights(cfg.model)  # refuses a missing file
    if cfg.data.pack is not None:
        ensure_pack(cfg)
    model = MODELS.build(cfg.model)
    check_pretrained(model, cfg.pretrained)
    MMLogger.get_instance("probe", log_level="ERROR")  # init_weights logs each weight
    model.init_weights()
    model.to(get_device()).eval()
    loader = Runner.build_dataloader(cfg.test_dataloader)

    def batches() -> Iterator[list[NDArray[np.float32]]]:
        for batch in track(loader, "Looking at photos"):
            photos = model.data_preprocessor(batch, False)["inputs"]
            kinds = [kind.cpu().numpy() for kind in features(model.backbone, photos, DEPTHS)]
            check_finite(cfg.pretrained, *kinds)
            yield kinds

    return loader.dataset, batches()
