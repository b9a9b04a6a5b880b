"""A model, data and a metric small enough that a test trains them for real."""

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from mmengine.config import Config
from mmengine.dist import get_rank, get_world_size
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmpretrain.registry import DATA_SAMPLERS, DATASETS, HOOKS, METRICS, MODELS, RUNNERS
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset, Sampler

import mmmask.engine.checkpoints
import mmmask.engine.hooks.batch_norm_sync_hook
import mmmask.engine.hooks.checkpoint_facts_hook
import mmmask.engine.hooks.checkpoint_hook
import mmmask.engine.hooks.early_stopping_hook
import mmmask.engine.hooks.epoch_seed_hook
import mmmask.engine.hooks.head_hooks
import mmmask.engine.hooks.layout_hooks
import mmmask.engine.hooks.person_split_hook
import mmmask.engine.hooks.progress_hook
import mmmask.engine.hooks.run_card_hook
import mmmask.engine.optim.wrappers
import mmmask.engine.runner  # noqa: F401 - these register
from mmmask.engine.checkpoints import load_checkpoint_file
from mmmask.evaluation.metric import MaskFaceMetric

CLASSES = 18


class TinyHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, CLASSES)
        self.register_buffer("temperature", torch.ones(()))
        self.register_buffer("class_counts", torch.zeros(CLASSES))
        self.factors: list[float] = []
        self.counted = False

    def set_class_counts(self, counts: Tensor) -> None:
        self.class_counts.copy_(counts)
        self.counted = True

    def set_margin_factor(self, factor: float) -> None:
        self.factors.append(factor)


@MODELS.register_module()
class TinyNet(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.dropout = nn.Dropout(0.3)
        self.head = TinyHead()

    def forward(self, inputs: Tensor, labels: Tensor, mode: str = "tensor") -> Any:
        feature = self.norm(self.conv(inputs)).relu()
        self.feature_dtype = self.conv(inputs).dtype
        logits = self.head.linear(self.dropout(feature.mean((2, 3))))
        if mode == "loss":
            return {"loss": functional.cross_entropy(logits, labels)}
        return list(zip(logits / self.head.temperature, labels, strict=True))


@DATASETS.register_module()
class TinyFaces(Dataset):
    """Noise in which the class shifts the colours; augmented by the seed that the sampler gives."""

    metainfo: ClassVar = {"classes": tuple(map(str, range(CLASSES)))}

    def __init__(self, size: int, seed: int, people: str) -> None:
        random = np.random.default_rng(seed)
        self.labels = random.integers(CLASSES, size=size)
        shift = np.eye(3)[self.labels % 3][:, :, None, None]
        photos = random.normal(size=(size, 3, 6, 6)) + shift
        self.photos = torch.tensor(photos, dtype=torch.float32)
        self.samples = pd.DataFrame(
            {
                "image": [f"{row}.jpg" for row in range(size)],
                "person": [f"{people}{row // 2}" for row in range(size)],
                "gender": "female",
                "age": 30,
                "label": self.labels,
            }
        )

    def class_counts(self) -> np.ndarray:
        return np.bincount(self.labels, minlength=CLASSES)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, item: int | tuple[int, int]) -> dict[str, Tensor]:
        row, seed = item if isinstance(item, tuple) else (item, None)
        photo = self.photos[row]
        if seed is not None:
            generator = torch.Generator().manual_seed(seed)
            photo = photo + 0.3 * torch.randn(photo.shape, generator=generator)
        return {"inputs": photo, "labels": torch.tensor(self.labels[row])}


@DATA_SAMPLERS.register_module()
class TinySampler(Sampler):
    """Order and augmentation seeds from (seed, epoch, position) alone."""

    def __init__(self, dataset: Dataset, seed: int) -> None:
        self.size, self.seed, self.epoch = len(dataset), seed, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Any:
        random = np.random.default_rng([self.seed, self.epoch])
        order = random.permutation(self.size)
        seeds = random.integers(2**31, size=self.size)
        return iter(list(zip(order.tolist(), seeds.tolist(), strict=True)))

    def __len__(self) -> int:
        return self.size


@METRICS.register_module()
class TinyMetric(BaseMetric):
    """Numbers that change with the last bit of any weight."""

    def process(self, data_batch: Any, data_samples: Any) -> None:
        self.results += [(logits.double().cpu(), label.cpu()) for logits, label in data_samples]

    def compute_metrics(self, results: list) -> dict[str, Any]:
        logits, labels = (torch.stack(column) for column in zip(*results, strict=True))
        nll = functional.cross_entropy(logits, labels).item()
        return {
            "macro_f1": np.float64(np.exp(-nll)),
            "nll": nll,
            "temperature": 1 + 0.1 * np.sin(1e4 * nll),
            "per_class": np.bincount(logits.argmax(1).numpy(), minlength=CLASSES),
        }


@METRICS.register_module()
class TinyFaceMetric(MaskFaceMetric):
    """Our metric, of photos that come in order, shared out among processes one by one."""

    def process(self, data_batch: Any, data_samples: Any) -> None:
        known = sum(len(batch["row"]) for batch in self.results)
        for row, (logits, label) in enumerate(data_samples, known):
            photo = row * get_world_size() + get_rank()
            super().process(
                None,
                [{"sample_idx": photo, "pred_score": logits.softmax(0), "gt_label": label}],
            )


class KilledError(RuntimeError):
    """Stands for the end of a process."""


@HOOKS.register_module()
class KillHook(Hook):
    """End the run at a point of an epoch counted from 1."""

    priority = 55

    def __init__(self, point: str, epoch: int) -> None:
        self.point, self.epoch = point, epoch

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        if self.point == "inside the epoch" and runner.epoch + 1 == self.epoch and batch_idx == 2:
            raise KilledError

    def after_val_iter(self, runner: Runner, batch_idx: int, **_: Any) -> None:
        if self.point == "inside the validation" and runner.epoch == self.epoch:
            raise KilledError


def tiny_config(work_dir: Path, **changes: Any) -> Config:
    """Return a config with every part whose state a resumed run must continue."""
    workers = changes.pop("workers", 0)
    persistent = changes.pop("persistent", False)
    epochs = changes.pop("epochs", 4)

    def loader(dataset: dict, sampler: dict) -> dict:
        return {
            "batch_size": 8,
            "num_workers": workers,
            "persistent_workers": persistent,
            "dataset": {"type": "TinyFaces", **dataset},
            "sampler": sampler,
            "collate_fn": {"type": "default_collate"},
        }

    train = loader({"size": 40, "seed": 1, "people": "train"}, {"type": "TinySampler"})
    val = loader(
        {"size": 24, "seed": 2, "people": "val"}, {"type": "DefaultSampler", "shuffle": False}
    )
    config = {
        "default_scope": "mmpretrain",
        # MMEngine keeps loggers and message hubs by name, and names by the second
        "experiment_name": uuid.uuid4().hex,
        "work_dir": str(work_dir),
        "model": {"type": "TinyNet"},
        "train_dataloader": train,
        "val_dataloader": val,
        "train_cfg": {"by_epoch": True, "max_epochs": epochs, "val_interval": 1},
        "val_cfg": {},
        "val_evaluator": {"type": "TinyMetric"},
        "optim_wrapper": {
            "type": "OptimWrapper",
            "optimizer": {"type": "AdamW", "lr": 0.02},
            "clip_grad": {"max_norm": 5.0},
        },
        "param_scheduler": [
            {"type": "CosineAnnealingLR", "by_epoch": True, "convert_to_iter_based": True}
        ],
        "default_hooks": {
            "logger": {"type": "LoggerHook", "interval": 2},
            "checkpoint": {"type": "ResumableCheckpointHook", "max_keep_ckpts": 2},
        },
        "custom_hooks": [
            {"type": "EpochSeedHook"},
            {"type": "TemperatureHook"},
            {"type": "ClassCountHook"},
            {"type": "MarginWarmupHook", "end": 1.5},
            {"type": "EMAHook", "momentum": 0.1},
            {"type": "ResumableEarlyStoppingHook", "patience": 50},
        ],
        "randomness": {"seed": 7},
        "log_level": "WARNING",
    }
    return Config({**config, **changes}, format_python_code=False)  # formatting takes longer


def without_validation(config: Config) -> Config:
    config.val_dataloader = config.val_cfg = config.val_evaluator = None
    return config


def train(
    config: Config,
    *,
    resume: bool | str = False,
    kill: dict | None = None,
    hooks: Sequence[Hook] = (),
) -> Runner:
    """Train; with ``kill`` until the KillHook ends it."""
    config = Config(config.to_dict(), format_python_code=False)
    config.resume = bool(resume)
    if isinstance(resume, str):
        config.load_from = resume
    config.experiment_name = uuid.uuid4().hex
    runner = RUNNERS.build(config) if "runner_type" in config else Runner.from_cfg(config)
    for hook in [*hooks, *([KillHook(**kill)] if kill is not None else [])]:
        runner.register_hook(hook)
    try:
        runner.train()
        killed = False
    except KilledError:
        killed = True
    finally:
        _stop_workers(runner)
    assert killed == (kill is not None)
    return runner


def _stop_workers(runner: Runner) -> None:
    """Stop persistent workers now; a garbage collection later would wait 5 seconds for each."""
    for loop in (runner._train_loop, runner._val_loop):
        for name in ("dataloader", "unlabelled_dataloader"):
            iterator = getattr(getattr(loop, name, None), "_iterator", None)
            if iterator is not None:
                iterator._shutdown_workers()


def state(path: Path) -> dict:
    """Return all of a checkpoint that decides how a run goes on, and its history."""
    content = load_checkpoint_file(path)
    info = content["message_hub"]["runtime_info"]
    scalars = content["message_hub"]["log_scalars"]
    keys = ("best_score", "best_ckpt_ids", "keep_ckpt_ids", "early_stopping", "val/per_class")
    return {
        "info": {key: info[key] for key in keys if key in info},
        "history": {
            key: buffer.data
            for key, buffer in scalars.items()
            if not key.endswith("time")  # how long a step took differs between any two runs
        },
        "place": (content["meta"]["epoch"], content["meta"]["iter"]),
        **{key: content[key] for key in content if key not in ("meta", "message_hub")},
    }


def differences(one: Any, other: Any, at: str = "") -> list[str]:
    """Return where two nested states differ in any bit."""
    if type(one) is not type(other):
        return [f"{at}: {type(one).__name__} is not {type(other).__name__}"]
    if isinstance(one, dict):
        if list(one) != list(other):
            return [f"{at}: keys {set(one) ^ set(other)}"]
        return [found for key in one for found in differences(one[key], other[key], f"{at}/{key}")]
    if isinstance(one, (list, tuple)):
        if len(one) != len(other):
            return [f"{at}: length {len(one)} is not {len(other)}"]
        pairs = enumerate(zip(one, other, strict=True))
        return [found for row, pair in pairs for found in differences(*pair, f"{at}/{row}")]
    if isinstance(one, Tensor):
        same = one.dtype == other.dtype and torch.equal(one, other)
    elif isinstance(one, np.ndarray):
        same = one.dtype == other.dtype and np.array_equal(one, other)
    else:
        same = one == other
    return [] if same else [at]
