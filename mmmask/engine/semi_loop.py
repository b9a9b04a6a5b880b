"""Epochs over the labelled photos, each step with a batch of unlabelled ones beside."""

import copy
from typing import Any

from mmengine.runner import EpochBasedTrainLoop, Runner
from mmpretrain.registry import LOOPS
from torch.utils.data import DataLoader

from mmmask.engine.unwrap import live_model


@LOOPS.register_module()
class SemiTrainLoop(EpochBasedTrainLoop):
    """MMEngine's loop by epochs with a second dataloader, whose batches are ``unlabelled``.

    An epoch is one of the labelled photos. The unlabelled ones go on where the epoch before
    stopped, by :class:`CyclingSampler`. What they are in an epoch depends on the epoch alone, so
    a resumed run sees the same. Hooks find the labelled batch where they expect it.

    Args:
        runner: The runner.
        dataloader: Of the labelled photos.
        unlabelled_dataloader: Config of the dataloader of the unlabelled photos; its sampler is
            set here.
        **kwargs: ``max_epochs``, ``val_interval`` and so on.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | dict,
        *,
        unlabelled_dataloader: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        super().__init__(runner, dataloader, **kwargs)
        config = copy.deepcopy(unlabelled_dataloader)
        photos = len(self.dataloader) * config["batch_size"]
        config["sampler"] = {"type": "CyclingSampler", "photos": photos}
        self.unlabelled_dataloader = runner.build_dataloader(config, seed=runner.seed)

    def run_epoch(self) -> None:
        """Train one epoch of the labelled photos."""
        self.unlabelled_dataloader.sampler.set_epoch(self.epoch)
        self._unlabelled = iter(self.unlabelled_dataloader)
        super().run_epoch()

    def run_iter(self, idx: int, data_batch: Any) -> None:
        """Train one step on a labelled batch and the next unlabelled one."""
        live_model(self.runner).progress = self.iter / self.max_iters
        super().run_iter(idx, {**data_batch, "unlabelled": next(self._unlabelled)})
