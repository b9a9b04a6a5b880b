"""Stock MMPretrain at the same model, photos, batch and size."""

import copy
from pathlib import Path
from typing import Any

import cv2
from mmengine.config import Config

from mmmask.config import load_config
from mmmask.datasets.layout import read_train, with_labels
from mmmask.labels import CLASSES, NUM_CLASSES
from mmmask.workflows.benchmark.cases import Case

_HOOKS = {
    "timer": {"type": "IterTimerHook"},
    "logger": {"type": "LoggerHook", "interval": 100},
    "param_scheduler": {"type": "ParamSchedulerHook"},
    "checkpoint": {"type": "CheckpointHook", "interval": 1},
    "sampler_seed": {"type": "DistSamplerSeedHook"},
    "visualization": {"type": "VisualizationHook", "enable": False},
}
_ENVIRONMENT = {
    "cudnn_benchmark": False,
    "mp_cfg": {"mp_start_method": "fork", "opencv_num_threads": 0},
    "dist_cfg": {"backend": "nccl"},
}


def stock_config(case: Case) -> Config:
    """Return what a user of MMPretrain would write, with what its tools/*.py add."""
    ours = load_config(case.config())
    schedule = copy.deepcopy(ours.optim_wrapper.to_dict())
    schedule["type"] = "AmpOptimWrapper" if case.amp else "OptimWrapper"
    if case.amp:
        schedule["loss_scale"] = "dynamic"
    evaluator = {"type": "Accuracy", "topk": (1,)}
    return Config(
        {
            "default_scope": "mmpretrain",
            "model": _model(ours),
            **_dataloaders(case, ours),
            "val_evaluator": evaluator,
            "test_evaluator": evaluator,
            "train_cfg": ours.train_cfg.to_dict(),
            "val_cfg": {},
            "test_cfg": {},
            "optim_wrapper": schedule,
            "param_scheduler": ours.param_scheduler,
            "default_hooks": _HOOKS,
            "custom_hooks": [case.tick_hook],
            "env_cfg": _ENVIRONMENT,
            "randomness": {"seed": 0},
            "log_level": "WARNING",
            "work_dir": f"{case.folder}/stock",
            "launcher": "none",
        }
    )


def with_tta(cfg: Config) -> Config:
    """Return the config as MMPretrain's tools/test.py --tta makes it."""
    dataset = cfg.test_dataloader.dataset
    flips = [{"type": "RandomFlip", "prob": 1.0}, {"type": "RandomFlip", "prob": 0.0}]
    views = {"type": "TestTimeAug", "transforms": [flips, [dataset.pipeline[-1]]]}
    dataset.pipeline = [*dataset.pipeline[:-1], views]
    cfg.model = {"type": "AverageClsScoreTTA", "module": cfg.model}
    return cfg


def _dataloaders(case: Case, ours: Config) -> dict[str, dict[str, Any]]:
    """Return the three dataloaders, after writing the list of photos that they read."""
    samples = with_labels(read_train(case.data_root))
    listing = Path(case.folder) / "photos.txt"
    lines = zip(samples["image"], samples["label"], strict=True)
    listing.write_text("".join(f"{image} {label}\n" for image, label in lines))
    load = _load_steps(ours, Path(case.data_root) / samples["image"].iloc[0])
    flip = {"type": "RandomFlip", "prob": 0.5, "direction": "horizontal"}
    loaders = {}
    for name in ("train", "val", "test"):
        training = name == "train"
        loaders[f"{name}_dataloader"] = {
            "batch_size": case.batch,
            "num_workers": case.workers,
            "persistent_workers": case.workers > 0,
            "pin_memory": True,
            "collate_fn": {"type": "default_collate"},
            "sampler": {"type": "DefaultSampler", "shuffle": training},
            "dataset": {
                "type": "CustomDataset",
                "data_root": case.data_root,
                "ann_file": str(listing.resolve()),
                "data_prefix": "",
                "classes": list(CLASSES),
                "pipeline": [*load, *([flip] if training else []), {"type": "PackInputs"}],
                "test_mode": not training,
            },
        }
    return loaders


def _load_steps(ours: Config, photo: Path) -> list[dict[str, Any]]:
    """Return the steps that load, crop and resize; the crop is in pixels there."""
    height, width = cv2.imread(str(photo)).shape[:2]
    kept, size = ours.preprocessing.crop, ours.preprocessing.size
    crop = (round(width * kept[1]), round(height * kept[0]))
    steps: list[dict[str, Any]] = [{"type": "LoadImageFromFile"}]
    if crop != (width, height):
        steps.append({"type": "CenterCrop", "crop_size": crop})
    return [*steps, {"type": "Resize", "scale": (size[1], size[0])}]


def _model(ours: Config) -> dict[str, Any]:
    return {
        "type": "ImageClassifier",
        "data_preprocessor": {
            "num_classes": NUM_CLASSES,
            "mean": list(ours.preprocessing.mean),
            "std": list(ours.preprocessing.std),
            "to_rgb": True,
        },
        "backbone": ours.backbone.to_dict(),
        "neck": ours.neck.to_dict() if ours.neck else None,
        "head": {
            "type": "LinearClsHead",
            "num_classes": NUM_CLASSES,
            "in_channels": ours.features,
            "loss": {"type": "CrossEntropyLoss"},
        },
    }
