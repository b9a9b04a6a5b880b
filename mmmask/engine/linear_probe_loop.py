"""A training that looks at each photo once: the backbone is frozen, the head is fitted."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmpretrain.registry import LOOPS
from torch import Tensor, nn
from torch.utils.data import DataLoader

from mmmask.blocks import plain
from mmmask.datasets.features import open_features
from mmmask.datasets.splits import all_but_a_quarter
from mmmask.engine.unwrap import live_model
from mmmask.errors import InputError
from mmmask.models.linear_fit import Features, check_head, fit_head

#: Blocks that a probe has no use for -> what they must be.
_WITHOUT: dict[str, Any] = {
    "augmentations": [],
    "device_augment": None,
    "batch_augments": None,
    "averaging": None,
}
#: An optimizer wrapper that MMEngine asks for and that nothing uses.
NO_STEPS = {"type": "OptimWrapper", "optimizer": {"type": "SGD", "lr": 0.0}}


@LOOPS.register_module()
class LinearProbeLoop(EpochBasedTrainLoop):
    """One epoch: the features of each photo, then :func:`mmmask.models.linear_fit.fit_head`.

    Hooks see the batches of an epoch, without a loss. The optimizer never steps.

    Args:
        runner: The runner, of one process.
        dataloader: Of the training photos, without augmentation.
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
        if runner.world_size > 1:
            raise InputError(f"a linear probe runs in one process; got {runner.world_size}")

    def run_epoch(self) -> None:
        """Fit the head."""
        self.runner.call_hook("before_train_epoch")
        model, samples = live_model(self.runner).eval(), self.dataloader.dataset.samples
        check_head(model.head)
        self._rows: Features | None = None
        if self.features is None:
            for index, batch in enumerate(self.dataloader):
                self.run_iter(index, batch)
        else:
            stored = open_features(self.runner.cfg, model, samples["image"], self.features)
            self._rows = stored.values
            self._iter = self.max_iters
        assert self._rows is not None  # there is a photo
        unseen = int(np.isnan(self._rows).any(axis=1).sum())
        if unseen:
            raise InputError(
                f"{unseen} of {len(samples)} photos have no features: {self.runner.cfg.pretrained} "
                "gives nan, or train_dataloader leaves photos out"
            )
        device = next(model.head.parameters()).device
        learns = all_but_a_quarter(samples, seed=self.runner.seed or 0)
        chosen = fit_head(model.head.cpu(), self._rows, samples, Cs=self.Cs, learns=learns)
        model.head.to(device)
        listed = ", ".join(f"{name} {C:g}" for name, C in chosen.items())
        self.runner.logger.info(f"C of the logistic regressions: {listed}")
        self.runner.call_hook("after_train_epoch")
        self._epoch += 1

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: Any) -> None:
        """Put a batch through the backbone."""
        self.runner.call_hook("before_train_iter", batch_idx=idx, data_batch=data_batch)
        batch_rows = head_input(live_model(self.runner), data_batch)
        if self._rows is None:
            shape = len(self.dataloader.dataset), batch_rows.shape[1]
            self._rows = np.full(shape, np.nan, np.float32)
        self._rows[data_batch["data_samples"].get("sample_idx")] = batch_rows
        self.runner.call_hook(
            "after_train_iter", batch_idx=idx, data_batch=data_batch, outputs=None
        )
        self._iter += 1


def check_probe(cfg: Any) -> None:
    """Refuse a config of a linear probe with parts that would have no effect."""
    if cfg.train_cfg.get("max_epochs", 1) != 1:
        raise InputError(f"train_cfg.max_epochs of a probe is 1; got {cfg.train_cfg.max_epochs}")
    for name, must in _WITHOUT.items():
        if plain(cfg.get(name)) not in (must, None):
            raise InputError(
                f"{name} must be {must} for a linear probe, which looks at each photo once, as it "
                f"is; got {plain(cfg[name])}"
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
def head_input(
    model: nn.Module, batch: dict, view: Callable[[Tensor], Tensor] | None = None
) -> Features:
    """Return what the head of a classifier gets for the photos of a batch, or a view of them.

    Shape:
        (N, D).
    """
    inputs = model.data_preprocessor(batch, False)["inputs"]
    inputs = inputs if view is None else view(inputs)
    return model.extract_feat(inputs)[-1].float().cpu().numpy()
