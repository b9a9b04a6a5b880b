"""A Runner whose console is left to the progress display, and whose batches wait on the GPU."""

import logging
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.logging import MMLogger
from mmengine.registry import RUNNERS  # the root: other programs build before a scope is set
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from mmmask.engine.prefetch import DevicePrefetcher

# Warnings of MMEngine about calls of its own, of which a user can make nothing.
_NOT_FOR_USERS = ('"FileClient" will be', '"HardDiskBackend" is', "The prefix is not set in metric")


@RUNNERS.register_module()
class ConsoleRunner(Runner):
    """MMEngine's Runner, with warnings alone on the console; the log file keeps all."""

    def build_logger(
        self, log_level: int | str = "INFO", log_file: str | None = None, **kwargs: Any
    ) -> MMLogger:
        logger = super().build_logger(log_level, log_file, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.setLevel(max(handler.level, logging.WARNING))
                handler.addFilter(lambda line: not line.getMessage().startswith(_NOT_FOR_USERS))
        return logger

    def train(self) -> nn.Module:
        """Train; an error that ends it goes to the hooks that have ``after_failure``."""
        try:
            return super().train()
        except BaseException as error:
            self.call_hook("after_failure", error=error)
            raise

    @staticmethod
    def build_dataloader(
        dataloader: DataLoader | dict, seed: int | None = None, diff_rank_seed: bool = False
    ) -> DataLoader | DevicePrefetcher:
        """Build a dataloader; with a GPU, one that copies the next batch during a step."""
        if not torch.cuda.is_available():
            return Runner.build_dataloader(dataloader, seed, diff_rank_seed)
        if isinstance(dataloader, dict):
            dataloader = {"pin_memory": True, **dataloader}
        loader = Runner.build_dataloader(dataloader, seed, diff_rank_seed)
        device = torch.device(get_device(), torch.cuda.current_device())
        return DevicePrefetcher(loader, device)
