"""Trainings that look at each photo once: the backbone is frozen, what stands behind it learns."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmpretrain.registry import LOOPS
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader

from mmmask.blocks import plain
from mmmask.datasets.features import open_features, parts_behind, views_of
from mmmask.datasets.mixture import mixture_of, with_mixture_weights
from mmmask.datasets.sampler import earlier_draws
from mmmask.datasets.splits import all_but_a_quarter
from mmmask.engine.unwrap import live_model
from mmmask.errors import InputError
from mmmask.models.feature_training import FeatureTraining, check_neck, train_on_features
from mmmask.models.linear_fit import check_head, fit_head
from mmmask.models.tta import VIEWS

#: Blocks that a probe has no use for -> what they must be.
_WITHOUT: dict[str, Any] = {
    "device_augment": None,
    "batch_augments": None,
    "averaging": None,
}
#: An optimizer wrapper that MMEngine asks for and that nothing uses.
NO_STEPS = {"type": "OptimWrapper", "optimizer": {"type": "SGD", "lr": 0.0}}


@LOOPS.register_module()
class LinearProbeLoop(EpochBasedTrainLoop):
    """One epoch: the features of each photo, then :func:`mmmask.models.linear_fit.fit_head`.

    Hooks see the batches of an epoch, without a loss. The optimizer never steps. Where ``tta`` is
    enabled, each of its views of a photo is learned from. Where the sampler draws photos several
    times (``train_dataloader.sampler.times``), so is each draw, augmented by chance.

    Args:
        runner: The runner, of one process.
        dataloader: Of the training photos; without augmentation where each is drawn once.
        max_epochs: 1.
        Cs: As in :func:`fit_head`.
        features: File of :mod:`mmmask.datasets.features` that has the photos, which are then not
            looked at; None: each is put through the backbone.
        **kwargs: Options of MMEngine's loop.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | dict,
        *,
        max_epochs: int = 1,
        Cs: Sequence[float],
        features: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(runner, dataloader, max_epochs=max_epochs, **kwargs)
        self.Cs, self.features = tuple(Cs), features
        check_probe(runner.cfg)
        if features is not None and draws_of(runner.cfg) > 1:
            raise InputError(
                "train_cfg.features must be None where train_dataloader.sampler.times is above 1: "
                f"a file of features has each photo as it is; got {features}"
            )
        if runner.world_size > 1:
            raise InputError(f"a linear probe runs in one process; got {runner.world_size}")

    def run_epoch(self) -> None:
        """Fit the head."""
        self.runner.call_hook("before_train_epoch")
        model, dataset = live_model(self.runner).eval(), self.dataloader.dataset
        # Each photo is learned from once: what a mixture draws more often weighs more.
        samples = with_mixture_weights(dataset.samples, mixture_of(dataset))
        _, neck = parts_behind(getattr(model, "neck", None))
        check_behind(self.runner.cfg.train_cfg, neck, model.head)
        self._rows: NDArray[Any] | None = None
        self._drawn = np.zeros(len(samples), dtype=np.int64)
        if self.features is None:
            for index, batch in enumerate(self.dataloader):
                self.run_iter(index, batch)
        else:
            stored = open_features(self.runner.cfg, model, samples["image"], self.features)
            self._rows = stored.values
            self._iter = self.max_iters
        assert self._rows is not None  # there is a photo
        unseen = int(np.isnan(self._rows).reshape(len(samples), -1).any(axis=1).sum())
        if unseen:
            raise InputError(
                f"{unseen} of {len(samples)} photos have no features: {self.runner.cfg.pretrained} "
                "gives nan, or train_dataloader leaves photos out"
            )
        device = next(model.head.parameters()).device
        chosen = fit_behind(
            self.runner.cfg.train_cfg, [part.cpu() for part in neck], model.head.cpu(),
            self._rows, np.arange(len(samples)), samples, seed=self.runner.seed or 0,
        )  # fmt: skip
        model.to(device)
        if chosen:
            listed = ", ".join(f"{name} {C:g}" for name, C in chosen.items())
            self.runner.logger.info(f"C of the logistic regressions: {listed}")
        self.runner.call_hook("after_train_epoch")
        self._epoch += 1

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: Any) -> None:
        """Put a batch through the backbone."""
        self.runner.call_hook("before_train_iter", batch_idx=idx, data_batch=data_batch)
        views = views_of(self.runner.cfg)
        batch_rows = frozen_output(live_model(self.runner), data_batch, views)
        if len(views) == 1:
            batch_rows = batch_rows[:, None]
        draws, per_draw = draws_of(self.runner.cfg), batch_rows.shape[1]
        if self._rows is None:
            shape = len(self._drawn), draws * per_draw, *batch_rows.shape[2:]
            self._rows = np.full(shape, np.nan, batch_rows.dtype)
        photos = np.asarray(data_batch["data_samples"].get("sample_idx"))
        draw = self._drawn[photos] + earlier_draws(photos)
        by_draw = self._rows.reshape(len(self._drawn), draws, *batch_rows.shape[1:])  # a view
        by_draw[photos, draw] = batch_rows
        np.add.at(self._drawn, photos, 1)
        self.runner.call_hook(
            "after_train_iter", batch_idx=idx, data_batch=data_batch, outputs=None
        )
        self._iter += 1


@LOOPS.register_module()
class FeatureTrainLoop(LinearProbeLoop):
    """One epoch of photos, then epochs on their features, see :func:`train_on_features`.

    Neck and head learn, from the first layer of the neck with weights on.

    Args:
        training: Options of :class:`FeatureTraining`.
        **kwargs: Those of :class:`LinearProbeLoop`, without ``Cs``.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | dict,
        *,
        training: Mapping[str, Any],
        **kwargs: Any,
    ) -> None:
        super().__init__(runner, dataloader, Cs=(), **kwargs)
        FeatureTraining(**training)


def check_behind(train_cfg: Mapping[str, Any], neck: Sequence[nn.Module], head: nn.Module) -> None:
    """Refuse what :func:`fit_behind` cannot fit, before the photos are looked at."""
    if train_cfg["type"] == FeatureTrainLoop.__name__:
        check_neck(neck)
        return
    if neck:
        raise InputError(
            "a linear probe fits the head alone: leave layers with weights out of neck, or use "
            f"{FeatureTrainLoop.__name__}; got {type(neck[0]).__name__}"
        )
    check_head(head)


def fit_behind(
    train_cfg: Mapping[str, Any],
    neck: Sequence[nn.Module],
    head: nn.Module,
    features: NDArray[np.floating],
    rows: NDArray[np.int64],
    samples: pd.DataFrame,
    *,
    seed: int,
    tick: Callable[[float], None] = lambda share: None,
) -> dict[str, float]:
    """Let what stands behind a frozen backbone learn from features, as a config's loop says.

    Args:
        train_cfg: Of the config, whose type is one of these loops.
        neck: The parts of the neck from the first with weights on.
        head: The head.
        features: (M, V, ...) of V views of photos.
        rows: (N,) those of the training photos.
        samples: The latter, as the dataset has them.
        seed: Of all that is drawn.
        tick: Is told the share of the work that each step is.

    Returns:
        Attribute -> C of logistic regressions; empty where there are none.
    """
    if train_cfg["type"] == FeatureTrainLoop.__name__:
        training = FeatureTraining(**train_cfg["training"])
        train_on_features(neck, head, features, rows, samples, training, seed=seed, tick=tick)
        return {}
    views = features.shape[1]
    learns = all_but_a_quarter(samples, seed=seed).repeat(views)
    each = samples.loc[samples.index.repeat(views)].reset_index(drop=True)
    flat = features[rows].reshape(len(each), -1)
    chosen = fit_head(head, flat, each, Cs=train_cfg["Cs"], learns=learns)
    tick(1.0)
    return chosen


def draws_of(cfg: Any) -> int:
    """Return how often an epoch draws each photo."""
    return int(cfg.train_dataloader.sampler.get("times", 1))


def check_probe(cfg: Any) -> None:
    """Refuse a config of a linear probe with parts that would have no effect."""
    if cfg.train_cfg.get("max_epochs", 1) != 1:
        raise InputError(
            f"train_cfg.max_epochs must be 1 for a linear probe; got {cfg.train_cfg.max_epochs}"
        )
    once: dict[str, Any] = {} if draws_of(cfg) > 1 else {"augmentations": []}
    for name, must in {**once, **_WITHOUT}.items():
        if plain(cfg.get(name)) not in (must, None):
            raise InputError(
                f"{name} must be {must} for a linear probe, which looks at each photo once, as it "
                f"is; got {plain(cfg[name])}"
            )
    if (cfg.get("data") or {}).get("teacher"):
        raise InputError(
            "data.teacher must be None for a linear probe, which learns from true labels; got "
            f"{cfg.data.teacher}"
        )
    loader = cfg.train_dataloader
    for name, got, must in (
        ("sampler", loader.sampler.type, "EpochSampler"),
        ("dataset", loader.dataset.type, "MaskFaceDataset"),
    ):
        if got != must:
            raise InputError(
                f"train_dataloader.{name}.type must be {must} for a linear probe, in which each "
                f"photo counts once; got {got}"
            )
    if plain(cfg.optim_wrapper) != NO_STEPS:
        raise InputError(
            f"optim_wrapper must be {NO_STEPS} for a linear probe, which never steps; got "
            f"{plain(cfg.optim_wrapper)}"
        )


@torch.no_grad()
def frozen_output(model: nn.Module, batch: dict, views: Sequence[str]) -> NDArray[np.floating]:
    """Return what the first layer of a classifier that learns gets for the photos of a batch.

    Shape:
        (N, D) float32 or maps (N, C, H, W) float16; of several views (N, V, ...).
    """
    photos = model.data_preprocessor(batch, False)["inputs"]
    inputs = torch.cat([VIEWS[view](photos) for view in views])
    feats = model.extract_feat(inputs, stage="backbone")
    fixed, _ = parts_behind(getattr(model, "neck", None))
    for part in fixed:
        feats = part(feats)
    rows = feats[-1].unflatten(0, (len(views), -1)).transpose(0, 1).float().cpu()
    if rows.ndim > 3:
        rows = rows.half()
    return (rows if len(views) > 1 else rows[:, 0]).numpy()
