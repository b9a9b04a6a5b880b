"""mmmask's modules and MMPretrain's in one run: every pair of kinds trains, validates and tests.

The cells are a pairwise cover, made here: each two choices of different kinds meet in one of them.
"""

import copy
import itertools
import random
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.runner import Runner
from mmpretrain.registry import METRICS, MODELS
from sklearn.metrics import precision_recall_fscore_support
from torch import Tensor, nn

import mmmask.register  # noqa: F401 - registers all
from mmmask.config import load_config
from mmmask.datasets.layout import read_train, with_labels
from mmmask.drawing.drawn_faces import draw_dataset
from mmmask.engine.hooks.head_hooks import TemperatureHook
from mmmask.errors import InputError
from mmmask.evaluation.scores import scores
from mmmask.labels import OLD_FROM
from mmmask.structures import SampleBatch

ROOT = Path(__file__).parents[1]
SIZE = (64, 48)  # height, width
MEAN, STD = (120.0, 110.0, 100.0), (60.0, 58.0, 56.0)


@MODELS.register_module()
class TwoLayers(nn.Module):
    """A backbone of 16 channels that sees where things are."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 5, stride=4), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 5, 2)
        )

    def forward(self, photos: Tensor) -> tuple[Tensor]:
        return (self.layers(photos),)


@METRICS.register_module()
class Noted(BaseMetric):
    """Keep what a metric is given of each photo."""

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        self.results += [
            {name: sample[name] for name in ("sample_idx", "gt_label", "pred_score")}
            for sample in data_samples
        ]

    def compute_metrics(self, results: list) -> dict[str, float]:
        results = sorted(results, key=lambda photo: int(photo["sample_idx"]))
        self.rows = [int(photo["sample_idx"]) for photo in results]
        self.truth = np.array([int(photo["gt_label"]) for photo in results])
        self.probabilities = torch.stack([photo["pred_score"] for photo in results])
        return {}


METRICS_OF_BOTH = [
    {"type": "MaskFaceMetric"},
    {"type": "Accuracy", "topk": (1, 2)},
    {"type": "SingleLabelMetric"},
    {"type": "ConfusionMatrix"},
    {"type": "Noted"},
]

HEADS: dict[str, dict[str, Any]] = {
    "LinearClsHead": {"num_classes": 18},
    "StackedLinearClsHead": {"num_classes": 18, "mid_channels": [8]},
    "ArcFaceClsHead": {"num_classes": 18},
    "MaskLinearHead": {},
    "MaskArcFaceHead": {"margin": "adaptive"},
    "MaskCosFaceHead": {"sub_centers": 2},
    "DecomposedHead": {},
}
#: None: the head's own.
LOSSES: dict[str, dict[str, Any] | None] = {
    "own": None,
    "CrossEntropyLoss": {},
    "LabelSmoothLoss": {"label_smooth_val": 0.1},
    "FocalLoss": {},
    "SeesawLoss": {},
    "WeightedCrossEntropyLoss": {"class_weight": "inverse"},
    "SoftmaxFocalLoss": {"class_weight": "effective_number"},
    "LDAMLoss": {},
    "SymmetricCrossEntropyLoss": {},
    "SoftMacroF1Loss": {},
}
FACTORS: dict[str, Sequence[Any]] = {
    "data": ("MaskFaceDataset", "CustomDataset"),
    "pack": ("PackPhoto", "PackInputs"),
    "collate": ("stack_photos", "pseudo_collate", "default_collate"),
    "preprocessor": ("FacePreprocessor", "ClsDataPreprocessor"),
    "head": tuple(HEADS),
    "mix": (None, "Mixup", "CutMix"),
    "averaging": (None, "EMAHook"),
}


def pairwise_cover(factors: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return cells such that each two values of different factors meet in one."""
    choice = random.Random(0)
    unmet = [
        {one: a, two: b}
        for one, two in itertools.combinations(factors, 2)
        for a, b in itertools.product(factors[one], factors[two])
    ]
    cells = []
    while unmet:
        tries = [
            {name: choice.choice(values) for name, values in factors.items()} | unmet[0]
            for _ in range(50)
        ]
        best = max(tries, key=lambda cell: sum(pair.items() <= cell.items() for pair in unmet))
        cells.append(best)
        unmet = [pair for pair in unmet if not pair.items() <= best.items()]
    return cells


def with_losses(cells: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give each cell a loss, in turn; MMPretrain's SeesawLoss takes no mixed labels."""
    losses = itertools.cycle(LOSSES)
    chosen = ((cell, next(losses)) for cell in cells)
    return [
        {**cell, "loss": loss, **({"mix": None} if loss == "SeesawLoss" else {})}
        for cell, loss in chosen
    ]


CELLS = with_losses(pairwise_cover(FACTORS))


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn people in the competition's layout, also listed for CustomDataset."""
    root = tmp_path_factory.mktemp("mix") / "faces"
    draw_dataset(root, people=15, size=SIZE[::-1], processes=1)
    photos = with_labels(read_train(root), OLD_FROM)
    for name, part in (("train", photos[:80]), ("val", photos[80:]), ("test", photos[80:])):
        lines = part["image"] + " " + part["label"].astype(str)
        (root / f"{name}.txt").write_text("\n".join(lines))
    return root


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def model_config(cell: Mapping[str, Any], num_classes: int = 18) -> dict[str, Any]:
    head = {"type": cell["head"], "in_channels": 16, **HEADS[cell["head"]]}
    ours = cell["head"].startswith(("Mask", "Decomposed"))
    if num_classes != 18:
        head["num_classes"] = num_classes
    if LOSSES[cell["loss"]] is not None:
        head["loss"] = {"type": cell["loss"], **LOSSES[cell["loss"]]}
        if cell["loss"] in ("LabelSmoothLoss", "SeesawLoss") and not ours:
            head["loss"]["num_classes"] = num_classes
    preprocessor: dict[str, Any] = {"type": cell["preprocessor"], "mean": MEAN, "std": STD}
    if cell["preprocessor"] == "ClsDataPreprocessor":
        preprocessor |= {"to_rgb": True, "num_classes": num_classes}
    elif num_classes != 18:
        preprocessor["num_classes"] = num_classes
    if cell["mix"]:
        preprocessor["batch_augments"] = {"augments": [{"type": cell["mix"], "alpha": 1.0}]}
    return {
        "type": "ImageClassifier",
        "backbone": {"type": "TwoLayers"},
        "neck": {"type": "GlobalAveragePooling"},
        "head": head,
        "data_preprocessor": preprocessor,
    }


def pipeline(cell: Mapping[str, Any], last: Sequence[dict] = ()) -> list[dict]:
    steps = {
        "MaskFaceDataset": [{"type": "LoadPhoto"}, {"type": "Preprocess", "size": SIZE}],
        "CustomDataset": [
            {"type": "LoadImageFromFile"},
            {"type": "Resize", "scale": SIZE[::-1], "backend": "cv2"},
        ],
    }
    return [*steps[cell["data"]], *(last or [{"type": cell["pack"]}])]


def loader(cell: Mapping[str, Any], root: Path, split: str, steps: Sequence[dict] = ()) -> dict:
    dataset: dict[str, Any] = {
        "type": cell["data"],
        "data_root": str(root),
        "pipeline": steps or pipeline(cell),
    }
    if cell["data"] == "MaskFaceDataset":
        dataset["split"] = split
    else:
        # Serializing it would collect garbage each time.
        dataset |= {"ann_file": f"{split}.txt", "data_prefix": "", "serialize_data": False}
        dataset["metainfo"] = {"classes": [str(number) for number in range(18)]}
    ours = cell["data"] == "MaskFaceDataset" and split == "train"
    sampler = {"type": "EpochSampler" if ours else "DefaultSampler", "shuffle": split == "train"}
    return {
        "batch_size": 42,  # two steps, the second of fewer photos
        "num_workers": 0,
        "dataset": dataset,
        "sampler": sampler,
        "collate_fn": {"type": cell["collate"]},
    }


def config(cell: Mapping[str, Any], root: Path, work_dir: Path) -> Config:
    """Return a composed config of ours with a cell's parts, or a plain one of MMPretrain."""
    if cell["data"] == "MaskFaceDataset":
        cfg = load_config(ROOT / "configs/mobilenet_v2_linear.py", data_root=str(root))
        cfg.pop("runner_type")
    else:
        cfg = Config({"default_scope": "mmpretrain"}, format_python_code=False)
        cfg.optim_wrapper = {"optimizer": {"type": "SGD", "lr": 0.01}}
        cfg.custom_hooks = [{"type": "ClassCountHook"}]
    cfg.model = model_config(cell)
    cfg.train_dataloader = loader(cell, root, "train")
    cfg.train_cfg = {"by_epoch": True, "max_epochs": 1}
    cfg.work_dir, cfg.experiment_name = str(work_dir), uuid.uuid4().hex
    cfg.log_level = "ERROR"
    for split in ("val", "test"):
        cfg[f"{split}_dataloader"] = loader(cell, root, "val")
        cfg[f"{split}_cfg"] = {}
        cfg[f"{split}_evaluator"] = METRICS_OF_BOTH
    if cell["averaging"]:
        hook = {"type": cell["averaging"], "momentum": 0.1}
        cfg.custom_hooks = [*cfg.get("custom_hooks", []), hook]
    return cfg


def validated_model(runner: Runner) -> nn.Module:
    """Return the model that was validated: the averaged one where there is one."""
    averages = [hook.ema_model.module for hook in runner.hooks if hasattr(hook, "ema_model")]
    return (averages or [runner.model])[0].eval()


def own_probabilities(model: nn.Module, photos: Tensor, cooled_by: float = 1.0) -> Tensor:
    """Return the softmax of what the network says of photos (N, 3, H, W) in BGR.

    ``cooled_by`` is the factor of the temperature since then.
    """
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    with torch.no_grad():
        logits = model((photos.flip(1).float() - mean) / std)
        return (logits * cooled_by / getattr(model.head, "temperature", 1.0)).softmax(dim=1)


def check_numbers(result: dict, noted: Noted, expected: Tensor, truth: np.ndarray) -> None:
    """Compare what the metrics state, and what they were given, with our own computation."""
    assert noted.rows == list(range(len(truth)))
    assert noted.truth.tolist() == truth.tolist()
    torch.testing.assert_close(noted.probabilities, expected, rtol=1e-4, atol=1e-5)
    probabilities = noted.probabilities.numpy()
    order = np.argsort(-probabilities, axis=1, kind="stable")
    parts = precision_recall_fscore_support(
        truth, order[:, 0], labels=range(18), average="macro", zero_division=0
    )
    stated = scores(truth, probabilities)
    assert stated["macro_f1"] == pytest.approx(parts[2])
    stated |= {
        f"accuracy/top{k}": 100 * (order[:, :k] == truth[:, None]).any(axis=1).mean()
        for k in (1, 2)
    }
    for name, value in zip(("precision", "recall", "f1-score"), parts, strict=False):
        stated[f"single-label/{name}"] = 100 * value
    assert {name: result[name] for name in stated} == pytest.approx(stated, rel=1e-4)


def answered_from_views(model: nn.Module, loader: dict, work_dir: Path) -> tuple[dict, Noted]:
    """Run MMEngine's test of a model that averages over views."""
    runner = Runner(
        model=model,
        work_dir=str(work_dir),
        test_dataloader=loader,
        test_cfg={},
        test_evaluator=METRICS_OF_BOTH,
        default_scope="mmpretrain",
        experiment_name=uuid.uuid4().hex,
        log_level="ERROR",
    )
    return runner.test(), runner.test_loop.evaluator.metrics[-1]


def name_of(cell: Mapping[str, Any]) -> str:
    return "-".join(str(value) for value in cell.values() if value)


@pytest.mark.parametrize("cell", CELLS, ids=name_of)
def test_a_mix_trains_and_answers_with_the_right_numbers(cell, faces, tmp_path) -> None:
    runner = Runner.from_cfg(config(cell, faces, tmp_path))
    runner.train()
    assert runner.iter == 2
    dataset = runner.val_dataloader.dataset
    photos = torch.stack([dataset[row]["inputs"] for row in range(len(dataset))])
    truth = np.asarray(dataset.get_gt_labels())

    history = runner.message_hub.log_scalars
    result = {n.removeprefix("val/"): h.current() for n, h in history.items() if "val/" in n}
    fitted = any(isinstance(hook, TemperatureHook) for hook in runner.hooks)
    cooled_by = result["temperature"] if fitted and hasattr(runner.model.head, "temperature") else 1
    validated = own_probabilities(validated_model(runner), photos, cooled_by)
    check_numbers(result, runner.val_loop.evaluator.metrics[-1], validated, truth)

    model = runner.model.eval()
    plain, mirrored = (own_probabilities(model, seen) for seen in (photos, photos.flip(-1)))
    result = runner.test()
    check_numbers(result, runner.test_loop.evaluator.metrics[-1], plain, truth)

    ours = {"type": "MeanProbabilityTTA", "views": ["identity", "hflip"]}
    flips = [{"type": "RandomFlip", "prob": prob} for prob in (1.0, 0.0)]
    views = {"type": "TestTimeAug", "transforms": [flips, [{"type": cell["pack"]}]]}
    for tta, steps in ((ours, []), ({"type": "AverageClsScoreTTA"}, pipeline(cell, [views]))):
        wrapped = MODELS.build({**tta, "module": model})
        answer = answered_from_views(wrapped, loader(cell, faces, "val", steps), tmp_path)
        check_numbers(*answer, (plain + mirrored) / 2, truth)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("loss", LOSSES)
def test_each_head_has_the_same_loss_of_a_batch_and_of_single_photos(head, loss) -> None:
    cell = {"head": head, "loss": loss, "mix": None, "preprocessor": "FacePreprocessor"}
    net = MODELS.build({"type": "ImageClassifier", **model_config(cell)}).head
    taker = net if hasattr(net, "set_class_counts") else net.loss_module
    if hasattr(taker, "set_class_counts"):
        taker.set_class_counts(torch.arange(1.0, 19.0))
    same = copy.deepcopy(net)  # some losses count what they have seen
    feature = torch.randn(6, 16, requires_grad=True)
    batch = SampleBatch(gt_label=torch.arange(6))
    photos = [photo.clone() for photo in batch]
    whole = net.loss((feature,), batch)
    torch.testing.assert_close(same.loss((feature,), photos), whole)
    sum(whole.values()).backward()
    assert feature.grad is not None
    assert feature.grad.isfinite().all()
    assert feature.grad.any()


def four_classes(cell: Mapping[str, Any], root: Path, work_dir: Path) -> Config:
    """Return a plain config of CustomDataset with four classes."""
    cfg = config(cell, root, work_dir)
    cfg.model = model_config(cell, num_classes=4)
    for split in ("train", "val", "test"):
        lines = [line.rsplit(" ", 1) for line in (root / f"{split}.txt").read_text().split("\n")]
        listed = work_dir / f"{split}.txt"
        listed.write_text("\n".join(f"{image} {int(label) % 4}" for image, label in lines))
        dataset = cfg[f"{split}_dataloader"].dataset
        dataset.ann_file, dataset.metainfo.classes = str(listed), list("abcd")
        cfg[f"{split}_evaluator"] = [{"type": "Accuracy"}, {"type": "SingleLabelMetric"}]
    return cfg


PLAIN = {
    "data": "CustomDataset",
    "pack": "PackInputs",
    "collate": "default_collate",
    "loss": "SoftmaxFocalLoss",
    "averaging": None,
}


@pytest.mark.parametrize("head", ["MaskLinearHead", "MaskArcFaceHead", "MaskCosFaceHead"])
@pytest.mark.parametrize("mix", [None, "Mixup"])
@pytest.mark.parametrize("preprocessor", FACTORS["preprocessor"])
def test_our_heads_learn_four_classes_of_mmpretrains_data(
    head, mix, preprocessor, faces, tmp_path
) -> None:
    cell = {**PLAIN, "head": head, "mix": mix, "preprocessor": preprocessor}
    runner = Runner.from_cfg(four_classes(cell, faces, tmp_path))
    runner.train()
    assert runner.model.head.loss_module.class_weight.isfinite().all()
    dataset = runner.val_dataloader.dataset
    photos = torch.stack([dataset[row]["inputs"] for row in range(len(dataset))])
    answer = own_probabilities(runner.model.eval(), photos).argmax(dim=1).numpy()
    hits = 100 * (answer == dataset.get_gt_labels()).mean()
    assert runner.test()["accuracy/top1"] == pytest.approx(hits)


def refused(cfg: Config) -> str:
    with pytest.raises(InputError) as error:
        Runner.from_cfg(cfg).train()
    return str(error.value)


def test_what_does_not_fit_is_refused_in_one_sentence(faces, tmp_path) -> None:
    cell = {**PLAIN, "head": "MaskArcFaceHead", "mix": None, "preprocessor": "FacePreprocessor"}
    of_four = four_classes(cell, faces, tmp_path)
    of_four.val_evaluator = METRICS_OF_BOTH
    assert "MaskFaceMetric scores 18 classes; got probabilities of 4" in refused(of_four)
    of_four.model.head.num_classes = 5
    assert "the 5 classes of the head or loss; got 4" in refused(of_four)
    mixed = four_classes({**cell, "mix": "Mixup"}, faces, tmp_path)
    del mixed.model.data_preprocessor["num_classes"]
    assert "data_preprocessor.num_classes must be the head's" in refused(mixed)
    without_hook = four_classes(cell, faces, tmp_path)
    without_hook.custom_hooks = []
    assert "add dict(type='ClassCountHook') to custom_hooks" in refused(without_hook)


def cookbook_configs() -> list[str]:
    """Return the configs that the cookbook shows for MMPretrain's own parts."""
    section = (ROOT / "docs/cookbook.md").read_text().split("## With MMPretrain's own parts\n")[1]
    return re.findall(r"```python\n(.*?)```", section.split("\n## ")[0], re.DOTALL)


def small(cfg: Config, work_dir: Path) -> Config:
    cfg.work_dir, cfg.experiment_name = str(work_dir / "run"), uuid.uuid4().hex
    cfg.log_level = "ERROR"
    cfg.train_cfg.max_epochs = 1
    for split in ("train", "val"):
        cfg[f"{split}_dataloader"].update(num_workers=0, persistent_workers=False, batch_size=40)
    return cfg


def test_the_cookbooks_config_of_ours_with_a_head_of_mmpretrain(faces, tmp_path) -> None:
    text, _ = cookbook_configs()
    (tmp_path / "mine.py").write_text(text.replace("_base_/", f"{ROOT}/configs/_base_/"))
    options = {"preprocessing.size": SIZE, "pretrained": None}
    cfg = small(load_config(tmp_path / "mine.py", options, data_root=str(faces)), tmp_path)
    cfg.pop("runner_type")
    cfg.custom_hooks = [
        {"type": "VisualizationHook", "enable": True, "interval": 5, "out_dir": str(tmp_path)}
    ]
    cfg.visualizer = {"type": "UniversalVisualizer"}
    runner = Runner.from_cfg(cfg)
    runner.train()
    stated = {name.removeprefix("val/") for name in runner.message_hub.log_scalars}
    assert stated > {"macro_f1", "accuracy/top3", "single-label/f1-score"}
    assert list(tmp_path.glob("*.jpg_0.png")) + list(tmp_path.glob("*.jpg_1.png"))  # named
    assert list((tmp_path / "run").glob("best_macro_f1_*.pth"))


def test_the_cookbooks_config_of_mmpretrain_with_a_head_of_ours(faces, tmp_path) -> None:
    _, text = cookbook_configs()
    for split in ("train", "val"):
        for line in (faces / f"{split}.txt").read_text().split("\n"):
            image, label = line.rsplit(" ", 1)
            folder = tmp_path / "photos" / split / f"class{int(label) % 4}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / image.replace("/", "_")).symlink_to(faces / image)
    text = text.replace("photos/", f"{tmp_path}/photos/").replace("(96, 128)", "(24, 32)")
    (tmp_path / "plain.py").write_text(text)
    runner = Runner.from_cfg(small(Config.fromfile(tmp_path / "plain.py"), tmp_path))
    runner.train()
    counts = np.bincount(runner.train_dataloader.dataset.get_gt_labels())
    head = runner.model.head
    expected = torch.as_tensor(counts.sum() / (4 * counts)).float()
    torch.testing.assert_close(head.loss_module.class_weight, expected)
    assert head.margin.max() == 0.5
    assert 0 <= runner.message_hub.get_scalar("val/accuracy/top1").current() <= 100
