"""Export a checkpoint to ONNX, and check that it says the same."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from mmengine.registry import DATASETS
from numpy.typing import NDArray

from mmmask.config import compose
from mmmask.datasets.face_boxes import read_boxes
from mmmask.datasets.layout import find_photos
from mmmask.deploy.networks import Network
from mmmask.errors import InputError
from mmmask.evaluation.intervals import Interval, macro_f1_interval, paired_difference
from mmmask.files import written_whole
from mmmask.labels import decode
from mmmask.predictor import Predictor
from mmmask.tables import SAMPLES, probabilities, write_table, years_of
from mmmask.workflows.testing import Tested, check_same, run_test
from mmmask.workflows.torch_network import TorchNetwork

#: Photos of the data on which both must agree.
CHECKED = 64
#: By how much a probability may differ.
TOLERANCE = 1e-4
#: Photos of a batch in the check: some batches are full and one is not.
_BATCH = 7
#: People of the training split, a photo of each, whose photos give the ranges of int8.
CALIBRATION = 256
_SPEED_BATCH, _SPEED_ROUNDS = 32, 7


@dataclass(frozen=True)
class Agreement:
    """How far two models agree on the same photos.

    Attributes:
        photos: Their number.
        difference: The largest difference of a probability.
        same: Share of photos with the same answer.
    """

    photos: int
    difference: float
    same: float


@dataclass(frozen=True)
class Exported:
    """An exported model.

    Attributes:
        path: Its file.
        agreement: With the checkpoint, by way of tools/test.py.
        speed: Photos a second, prepared, in batches of 32, on this machine's CPU.
        torch_speed: Of the checkpoint, likewise.
    """

    path: Path
    agreement: Agreement
    speed: float
    torch_speed: float


@dataclass(frozen=True)
class Quantized:
    """An int8 model beside the exported one, on the people held out.

    Attributes:
        path: Its file.
        agreement: With the exported model.
        people: Number of people.
        score: Its macro F1, with its interval over people.
        exported_score: That of the exported model.
        change: Its macro F1 minus the other's, paired.
        speed: As of :class:`Exported`.
    """

    path: Path
    agreement: Agreement
    people: int
    score: Interval
    exported_score: Interval
    change: Interval
    speed: float


def export(
    config: str | Path,
    checkpoint: str | Path,
    out: str | Path,
    *,
    data_root: str | None = None,
    int8: str | Path | None = None,
    opset: int | None = None,
    options: Sequence[str] = (),
) -> tuple[Exported, Quantized | None]:
    """Write a checkpoint as an ONNX model that ``mmmask.Predictor`` runs without torch.

    The model is written only if, on photos of the data, its probabilities are those of
    tools/test.py; with ``int8``, both or neither are written.

    Args:
        config: Path of a config file.
        checkpoint: Checkpoint of a run of that config.
        out: Where the model goes (.onnx).
        data_root: Folder with photos, for the check; for ``int8`` it holds ``train/``. None keeps
            the config's.
        int8: Where a model of 8 bits goes, whose ranges come from photos of the training split
            and whose score from the people held out.
        opset: Version of ONNX's operators; None: the exporter's.
        options: ``name=value`` overrides of the config.

    Raises:
        InputError: The network has no ONNX graph, the two differ by more than ``TOLERANCE``, or
            the data do not fit what is asked for.
    """
    for path in (out, int8):
        if path is not None and Path(path).suffix != ".onnx":
            raise InputError(f"{path}: a model ends in .onnx, got {Path(path).suffix or 'nothing'}")
    if int8 is not None and Path(int8).resolve() == Path(out).resolve():
        raise InputError(f"--int8 {int8}: is --out too; the two are different models")
    network = TorchNetwork(config, checkpoint, data_root=data_root, options=options)
    from mmmask.deploy.graph import write_graph  # late, as they import MMPretrain
    from mmmask.deploy.quantization import quantize

    root = Path(network.cfg.data.data_root)
    images = _spread(find_photos(root)["image"].tolist(), CHECKED)
    splits = _splits(network, Path(checkpoint)) if int8 is not None else None
    with written_whole(out) as aside:
        write_graph(network.classifier, network.facts, aside, opset=opset)
        exported = Predictor(aside, batch_size=_BATCH)
        agreement = _agreement_with_test(network, exported, images, Path(checkpoint))
        if agreement.difference > TOLERANCE:
            raise InputError(
                f"{out}: not written, as its probabilities differ from the checkpoint's by up to "
                f"{agreement.difference:.2g} on {agreement.photos} photos; at most {TOLERANCE:g} "
                "is allowed"
            )
        batch = _prepared(network, images[:_SPEED_BATCH])
        ours, theirs = speeds([exported.network, network], batch)
        first = Exported(Path(out), agreement, ours, theirs)
        if int8 is None or splits is None:
            return first, None
        with written_whole(int8) as smaller:
            quantize(aside, smaller, _prepared(network, splits[0]))
            second = _compared(exported, Predictor(smaller), splits[1], network, batch)
    return first, Quantized(Path(int8), *second)


def _compared(
    exported: Predictor,
    smaller: Predictor,
    held_out: pd.DataFrame,
    network: TorchNetwork,
    batch: NDArray[np.uint8],
) -> tuple[Agreement, int, Interval, Interval, Interval, float]:
    """Return what :class:`Quantized` says of two models."""
    images = held_out["image"].tolist()
    one, other = (_predicted(model, network, images) for model in (exported, smaller))
    truth, person = held_out["label"].to_numpy(dtype=np.int64), held_out["person"].to_numpy()
    if network.facts.attribute is not None:
        truth = decode(truth)[network.facts.attribute]
    labels = [probabilities(table).argmax(axis=1) for table in (other, one)]
    classes = len(network.facts.classes)
    scores = [macro_f1_interval(person, truth, [answer], classes=classes) for answer in labels]
    change = paired_difference(person, truth, labels[:1], labels[1:], classes=classes)
    speed = speeds([smaller.network], batch)[0]
    return agreement_of(one, other), held_out["person"].nunique(), *scores, change, speed


def agreement_of(one: pd.DataFrame, other: pd.DataFrame) -> Agreement:
    """Compare two predictions tables of the same photos in the same order."""
    ours, theirs = probabilities(one), probabilities(other)
    difference = np.abs(ours - theirs).max()
    years, others = years_of(one), years_of(other)
    if years is not None and others is not None:
        difference = max(difference, np.abs(years - others).max())
    same = (ours.argmax(axis=1) == theirs.argmax(axis=1)).mean()
    return Agreement(len(one), float(difference), float(same))


def speeds(networks: Sequence[Network], photos: NDArray[np.uint8]) -> list[float]:
    """Return how many prepared photos a second each network answers: its best of some rounds.

    They take turns, so that what else the machine does meets all of them.
    """
    best = [np.inf] * len(networks)
    for _ in range(_SPEED_ROUNDS):
        for row, network in enumerate(networks):
            start = time.perf_counter()
            network(photos)
            best[row] = min(best[row], time.perf_counter() - start)
    return [len(photos) / seconds for seconds in best]


def _agreement_with_test(
    network: TorchNetwork, exported: Predictor, images: Sequence[str], checkpoint: Path
) -> Agreement:
    """Compare an exported model with the checkpoint as tools/test.py runs it."""
    cfg = network.cfg
    cfg.tta.enabled = False
    root = str(cfg.data.data_root)
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "photos.parquet"
        write_table(listed, pd.DataFrame({"image": images, "person": ""}), SAMPLES)
        dataset = {"type": "UnlabelledFaces", "data_root": root, "photos": str(listed)}
        tested = run_test(cfg, network.content, checkpoint, dataset=dataset)
    assert tested is not None  # there is one process
    return agreement_of(_predicted(exported, network, images), _as_table(tested, exported))


def _as_table(tested: Tested, like: Predictor) -> pd.DataFrame:
    return like.table(tested.samples["image"].tolist(), tested.probabilities, tested.years)


def _predicted(model: Predictor, network: TorchNetwork, images: Sequence[str]) -> pd.DataFrame:
    """Return predictions of photos of the data."""
    root = Path(network.cfg.data.data_root)
    return model([root / image for image in images], boxes=_boxes(network, images), progress=True)


def _prepared(network: TorchNetwork, images: Sequence[str]) -> NDArray[np.uint8]:
    """Return photos of the data as the network takes them, (N, height, width, 3)."""
    root, preparation = Path(network.cfg.data.data_root), network.facts.preparation
    boxes = _boxes(network, images)
    photos = [preparation.load(root / image) for image in images]
    if boxes is None:
        return np.stack([preparation(photo) for photo in photos])
    return np.stack([preparation(photo, box) for photo, box in zip(photos, boxes, strict=True)])


def _boxes(network: TorchNetwork, images: Sequence[str]) -> NDArray[np.float32] | None:
    """Return the boxes that the config lists, (N, 4); None where photos are taken whole."""
    faces = network.cfg.preprocessing.get("faces")
    if faces is None:
        return None
    boxes = read_boxes(faces["boxes"])
    missing = [image for image in images if image not in boxes.rows]
    if missing:
        raise InputError(f"{faces['boxes']}: no row for {missing[0]}")
    return boxes.edges[[boxes.rows[image] for image in images]]


def _splits(network: TorchNetwork, checkpoint: Path) -> tuple[list[str], pd.DataFrame]:
    """Return photos of people it was trained on, one each, and the samples of those held out."""
    meta = network.content.get("meta", {})
    check_same(network.cfg, meta, "data", checkpoint, keys=("folds", "fold", "split_seed"))
    if meta.get("trained_on") == "all":
        raise InputError(
            f"{checkpoint}: was trained on everybody, so nobody is held out to score --int8"
        )
    cfg = network.cfg.copy()
    cfg.data.pack = None
    compose(cfg)
    train, held_out = (
        DATASETS.build({**cfg.test_dataloader.dataset, "split": split, "pipeline": []}).samples
        for split in ("train", "val")
    )
    photos = train.groupby("person").sample(1, random_state=0)["image"].sort_values()
    return _spread(photos.tolist(), CALIBRATION), held_out


def _spread(items: Sequence[str], most: int) -> list[str]:
    """Return up to ``most`` items, evenly over all of them."""
    rows = np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int)
    return [items[row] for row in rows]
