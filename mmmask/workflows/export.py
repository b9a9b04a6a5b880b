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
from mmmask.deploy.predictor import Predictor
from mmmask.errors import InputError
from mmmask.evaluation.intervals import Interval, macro_f1_interval, paired_difference
from mmmask.files import atomic_write
from mmmask.labels import decode
from mmmask.tables import SAMPLES, probabilities, write_table, years_of
from mmmask.workflows.testing import check_same, run_test
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
        mean: The mean difference, over all photos and their probabilities.
        same: Share of photos with the same answer.
    """

    photos: int
    difference: float
    mean: float
    same: float


@dataclass(frozen=True)
class Scores:
    """Macro F1 of a model and of what it was made from, on the people held out.

    Attributes:
        people: Their number.
        score: Macro F1 of the model, with its interval over people.
        former: That of what it was made from.
        change: The one minus the other, paired.
    """

    people: int
    score: Interval
    former: Interval
    change: Interval


@dataclass(frozen=True)
class Exported:
    """An exported model.

    Attributes:
        path: Its file.
        agreement: With the checkpoint, by way of tools/test.py.
        scores: Beside the checkpoint's; None where they were not asked for.
        speed: Photos a second, prepared, in batches of 32, on this machine's CPU.
        torch_speed: Of the checkpoint, likewise.
    """

    path: Path
    agreement: Agreement
    scores: Scores | None
    speed: float
    torch_speed: float


@dataclass(frozen=True)
class Quantized:
    """An int8 model beside the exported one, on the people held out.

    Attributes:
        path: Its file.
        agreement: With the exported model.
        scores: Beside those of the exported model.
        speed: As of :class:`Exported`.
    """

    path: Path
    agreement: Agreement
    scores: Scores
    speed: float


def export(
    config: str | Path,
    checkpoint: str | Path,
    out: str | Path,
    *,
    data_root: str | None = None,
    held_out: bool = False,
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
        data_root: Folder with photos, for the check; for ``held_out`` and ``int8`` it holds
            ``train/``. None keeps the config's.
        held_out: Check on every photo of the people held out, and score both there.
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

    images = _spread(find_photos(network.cfg.data.data_root)["image"].tolist(), CHECKED)
    if held_out or int8 is not None:
        trained_on, people = _splits(network, Path(checkpoint))
        images = people["image"].tolist() if held_out else images
    with atomic_write(out) as partial:
        write_graph(network.classifier, network.facts, partial, opset=opset)
        exported = Predictor(partial, batch_size=_BATCH)
        predicted = _predicted(exported, network, images)
        tested = _tested(network, exported, images, Path(checkpoint))
        agreement = agreement_of(predicted, tested)
        if agreement.difference > TOLERANCE:
            raise InputError(
                f"{out}: not written, as its probabilities differ from the checkpoint's by up to "
                f"{agreement.difference:.2g} on {agreement.photos} photos; at most {TOLERANCE:g} "
                "is allowed"
            )
        scores = _scores(predicted, tested, people, network) if held_out else None
        batch = _prepared(network, images[:_SPEED_BATCH])
        if int8 is None:
            speed, torch_speed = speeds([exported.network, network], batch)
            return Exported(Path(out), agreement, scores, speed, torch_speed), None
        if not held_out:
            predicted = _predicted(exported, network, people["image"].tolist())
        with atomic_write(int8) as smaller:
            quantize(partial, smaller, _prepared(network, trained_on))
            small = Predictor(smaller)
            answers = _predicted(small, network, people["image"].tolist())
            speed, torch_speed, int8_speed = speeds(
                [exported.network, network, small.network], batch
            )
            quantized = Quantized(
                Path(int8),
                agreement_of(answers, predicted),
                _scores(answers, predicted, people, network),
                int8_speed,
            )
    return Exported(Path(out), agreement, scores, speed, torch_speed), quantized


def _scores(
    predicted: pd.DataFrame, former: pd.DataFrame, people: pd.DataFrame, network: TorchNetwork
) -> Scores:
    """Score two predictions tables of the people held out, who have labels."""
    truth, person = people["label"].to_numpy(dtype=np.int64), people["person"].to_numpy()
    if network.facts.attribute is not None:
        truth = decode(truth)[network.facts.attribute]
    labels = [probabilities(table).argmax(axis=1) for table in (predicted, former)]
    classes = len(network.facts.classes)
    score, before = (
        macro_f1_interval(person, truth, [answer], classes=classes) for answer in labels
    )
    change = paired_difference(person, truth, labels[:1], labels[1:], classes=classes)
    return Scores(people["person"].nunique(), score, before, change)


def agreement_of(one: pd.DataFrame, other: pd.DataFrame) -> Agreement:
    """Compare two predictions tables of the same photos in the same order."""
    ours, theirs = probabilities(one), probabilities(other)
    difference = np.abs(ours - theirs)
    largest, mean = difference.max(), difference.mean(dtype=np.float64)
    years, others = years_of(one), years_of(other)
    if years is not None and others is not None:
        largest = max(largest, np.abs(years - others).max())
    same = (ours.argmax(axis=1) == theirs.argmax(axis=1)).mean()
    return Agreement(len(one), float(largest), float(mean), float(same))


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


def _tested(
    network: TorchNetwork, like: Predictor, images: Sequence[str], checkpoint: Path
) -> pd.DataFrame:
    """Return what tools/test.py says of photos by the checkpoint, as the other's table."""
    cfg = network.cfg
    cfg.tta.enabled = False
    root = str(cfg.data.data_root)
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "photos.parquet"
        write_table(listed, pd.DataFrame({"image": images, "person": ""}), SAMPLES)
        dataset = {"type": "UnlabelledFaces", "data_root": root, "photos": str(listed)}
        tested = run_test(cfg, network.content, checkpoint, dataset=dataset)
    assert tested is not None  # there is one process
    table = like.table(tested.samples["image"].tolist(), tested.probabilities, tested.years)
    return table.set_index("image").loc[list(images)].reset_index()


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
