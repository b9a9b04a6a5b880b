"""A Runner whose console is left to the progress display."""

import logging
from typing import Any

from mmengine.logging import MMLogger
from mmengine.runner import Runner
from mmpretrain.registry import RUNNERS

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
                handler.addFilter(_concerns_users)
        return logger


def _concerns_users(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(_NOT_FOR_USERS)
