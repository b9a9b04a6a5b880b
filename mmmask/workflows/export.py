"""Export a checkpoint to ONNX, and check that it says the same."""

import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from mmengine.registry import DATASETS
from numpy.typing import NDArray

from mmmask.blocks import compose
from mmmask.datasets.layout import find_photos
from mmmask.datasets.preparation import NO_FACE
from mmmask.deploy.networks import Network
from mmmask.deploy.predictor import Predictor
from mmmask.errors import InputError
from mmmask.evaluation.intervals import macro_f1_interval, paired_difference
from mmmask.evaluation.jackknife import Difference, Interval
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
#: People of the training split, one photo each, that give the ranges of int8.
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
    change: Difference


@dataclass(frozen=True)
class Exported:
    """A model beside what it was made from: an ONNX model, or int8 beside the ONNX model.

    Attributes:
        path: Its file.
        agreement: With what it was made from.
        scores: On the people held out; None where they were not asked for.
        speed: Prepared photos per second, in batches of 32, on this machine's CPU.
    """

    path: Path
    agreement: Agreement
    scores: Scores | None
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
) -> tuple[list[Exported], float]:
    """Write a checkpoint as an ONNX model that ``mmmask.Predictor`` runs without torch.

    It is written only if it answers as the checkpoint does by way of ``tools/test.py``.

    Args:
        config: Path of the run's config file.
        checkpoint: A checkpoint of the run.
        out: The model, .onnx.
        data_root: Folder with photos to check with; None keeps the config's.
        held_out: Check on everybody held out, and score both, in place of some photos.
        int8: A second model of 8 bits, .onnx; it is scored on the people held out.
        opset: Version of ONNX's operators; None: the exporter's.
        options: ``name=value`` overrides of the config.

    Returns:
        The model, then that of ``int8`` if there is one; and the speed of the checkpoint.

    Raises:
        InputError: The network has no ONNX graph, the two differ by more than ``TOLERANCE``, what
            one answers are no probabilities, or the data do not fit what is asked for.
    """
    _check_names(out, int8)
    network = TorchNetwork(config, checkpoint, data_root=data_root, options=options)
    from mmmask.deploy.graph import check_opset, write_graph  # late, as they import MMPretrain
    from mmmask.deploy.quantization import quantize

    check_opset(opset)
    images = _spread(find_photos(network.cfg.data.data_root)["image"].tolist(), CHECKED)
    if held_out or int8 is not None:
        trained_on, people = _splits(network, Path(checkpoint))
        listed = people["image"].tolist()
        images = listed if held_out else images
    tested = _tested(network, images, Path(checkpoint))
    second = nullcontext() if int8 is None else atomic_write(int8)
    with atomic_write(out) as partial, second as smaller:
        write_graph(network.classifier, network.facts, partial, opset=opset)
        exported = Predictor(partial, batch_size=_BATCH)
        exported.network.name = str(out)  # in messages, for the partial file is gone by then
        predicted = _predicted(exported, network, images)
        _check_agreement(agreement_of(predicted, tested), out)
        compared = [(out, predicted, tested, held_out)]
        networks: list[Network] = [network, exported.network]
        if int8 is not None and smaller is not None:
            quantize(partial, smaller, _prepared(network, trained_on))
            small = Predictor(smaller)
            small.network.name = str(int8)
            if not held_out:
                predicted = _predicted(exported, network, listed)
            compared.append((int8, _predicted(small, network, listed), predicted, True))
            networks.append(small.network)
        torch_speed, *speed = speeds(networks, _prepared(network, images[:_SPEED_BATCH]))
        found = [
            Exported(
                Path(path),
                agreement_of(new, old),
                _scores(new, old, people, network) if scored else None,
                photos_per_second,
            )
            for (path, new, old, scored), photos_per_second in zip(compared, speed, strict=True)
        ]
    return found, torch_speed


def _check_names(out: str | Path, int8: str | Path | None) -> None:
    for path in (out, int8):
        if path is not None and Path(path).suffix != ".onnx":
            raise InputError(
                f"{path}: a model must end in .onnx; got {Path(path).suffix or 'no suffix'}"
            )
    if int8 is not None and Path(int8).resolve() == Path(out).resolve():
        raise InputError(f"--out and --int8 both name {int8}; give each its own")


def _check_agreement(agreement: Agreement, out: str | Path) -> None:
    if agreement.difference > TOLERANCE:
        raise InputError(
            f"{out}: not written, as its probabilities differ from the checkpoint's by up to "
            f"{agreement.difference:.2g} on {agreement.photos} photos; at most {TOLERANCE:g} is "
            "allowed"
        )


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
    """Return how many prepared photos each network answers per second: its best of some rounds.

    They take turns, so that what else the machine does slows down all of them.
    """
    best = [np.inf] * len(networks)
    for _ in range(_SPEED_ROUNDS):
        for row, network in enumerate(networks):
            start = time.perf_counter()
            network(photos)
            best[row] = min(best[row], time.perf_counter() - start)
    return [len(photos) / seconds for seconds in best]


def _tested(network: TorchNetwork, images: Sequence[str], checkpoint: Path) -> pd.DataFrame:
    """Return what tools/test.py says of photos by the checkpoint, as a predictor's table."""
    cfg = network.cfg
    cfg.tta.enabled = False
    root = str(cfg.data.data_root)
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "photos.parquet"
        write_table(listed, pd.DataFrame({"image": images, "person": ""}), SAMPLES)
        dataset = {"type": "UnlabelledFaces", "data_root": root, "photos": str(listed)}
        tested = run_test(cfg, network.content, checkpoint, dataset=dataset)
    assert tested is not None  # there is one process
    predictor = Predictor(network)
    table = predictor.table(tested.samples["image"].tolist(), tested.probabilities, tested.years)
    return table.set_index("image").loc[list(images)].reset_index()


def _predicted(model: Predictor, network: TorchNetwork, images: Sequence[str]) -> pd.DataFrame:
    """Return predictions of photos of the data."""
    root = Path(network.cfg.data.data_root)
    return model([root / image for image in images], boxes=network.boxes(images), progress=True)


def _prepared(network: TorchNetwork, images: Sequence[str]) -> NDArray[np.uint8]:
    """Return photos of the data as the network takes them, (N, height, width, 3)."""
    root, prepare = Path(network.cfg.data.data_root), network.facts.preparation
    boxes = network.boxes(images)
    edges = [NO_FACE] * len(images) if boxes is None else boxes
    return np.stack(
        [prepare(prepare.load(root / image), box) for image, box in zip(images, edges, strict=True)]
    )


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
