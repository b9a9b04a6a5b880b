"""A Runner that takes configs of blocks, and that leaves the console to the progress display."""

import copy
import logging
import math
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import barrier, broadcast_object_list, get_local_rank, is_main_process
from mmengine.logging import MMLogger
from mmengine.model import BaseTTAModel
from mmengine.registry import LOOPS, MODELS, RUNNERS
from mmengine.runner import BaseLoop, Runner
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import DataLoader

from mmmask.datasets.packed import ensure_pack
from mmmask.engine.linear_probe_loop import LinearProbeLoop
from mmmask.engine.prefetch import DevicePrefetcher
from mmmask.engine.pretrained import check_pretrained, pretrained_weights
from mmmask.engine.runner_config import prepare_config
from mmmask.engine.unwrap import classifier_of, live_model
from mmmask.errors import DivergedError, InputError, WriteError, first_line, reason_of
from mmmask.files import atomic_write, check_folder, locked, writing
from mmmask.ledger.cards import CARD

# Warnings of MMEngine about calls of its own, of which a user can make nothing.
_NOT_FOR_USERS = ('"FileClient" will be', '"HardDiskBackend" is', "The prefix is not set in metric")


@RUNNERS.register_module()  # MMEngine's own registry: where MMPretrain's command lines look
class ConsoleRunner(Runner):
    """MMEngine's Runner for configs of blocks.

    Warnings alone go to the console; the log file keeps all. A run that is refused before its
    first step leaves its work directory as it was.
    """

    _train_dataloader: Any  # a config, until the train loop is built

    @classmethod
    def from_cfg(cls, cfg: Config) -> "ConsoleRunner":
        """Build a runner of a config, which is composed and checked first.

        Raises:
            InputError: The config is at fault.
        """
        cfg = copy.deepcopy(cfg)
        prepare_config(cfg)
        return super().from_cfg(cfg)

    def __init__(self, model: nn.Module | dict, work_dir: str, *args: Any, **kwargs: Any) -> None:
        self._started = False
        self._home = work_dir
        self._new_folders = _missing_folders(work_dir)
        with self._refused_cleanly():
            super().__init__(model, work_dir, *args, **kwargs)

    def train(self) -> nn.Module:
        """Train; an error that ends it goes to the hooks that have ``after_failure``.

        Raises:
            InputError: Another process trains in the work directory, it holds a run already, the
                weights to start from do not fit, or a hook refuses the run.
        """
        with self._refused_cleanly(), self._alone():
            self._check_start()
            self._ensure_pack()
            try:
                with writing(self.work_dir):
                    return super().train()
            except BaseException as error:
                with suppress(WriteError):  # the disk is full, and the card stays as it was
                    self.call_hook("after_failure", error=error)
                if isinstance(error, DivergedError) and not error.alone:
                    barrier()  # no process ends before the card is written
                raise

    def build_train_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        """Build the loop and its data; refuse a batch of more photos than there are.

        Where the model has batch norms, which learn nothing from a photo alone and may refuse it,
        an epoch leaves out the last batch if that is one photo; the next draws another.
        """
        if isinstance(self._train_dataloader, dict) and isinstance(loop, dict):
            differ = self._randomness_cfg.get("diff_rank_seed", False)
            loader = self.build_dataloader(self._train_dataloader, self.seed, differ)
            self._train_dataloader = loader
            if not _looks_once(loop) and self._has_batch_norms() and _ends_alone(loader):
                loader.batch_sampler.drop_last = True
                self.logger.warning(
                    f"the last of {len(loader) + 1} batches would be one photo, too few for batch "
                    "norms, so each epoch leaves a random photo out; another "
                    f"train_dataloader.batch_size than {loader.batch_size} uses all"
                )
        built = super().build_train_loop(loop)
        size, photos = built.dataloader.batch_size, len(built.dataloader.dataset)
        if size is not None and size > photos:
            raise InputError(
                f"train_dataloader.batch_size must be at most {photos}, the number of photos to "
                f"train on; got {size}"
            )
        return built

    def build_param_scheduler(self, scheduler: Any) -> Any:
        """Build the schedulers but those whose part of an epoch is less than a step."""
        if isinstance(scheduler, list):
            scheduler = [one for one in scheduler if self._has_steps(one)]
        return super().build_param_scheduler(scheduler)

    def _has_steps(self, scheduler: Any) -> bool:
        if not (isinstance(scheduler, dict) and scheduler.get("convert_to_iter_based")):
            return True
        begin, end = scheduler.get("begin", 0), scheduler.get("end", math.inf)
        steps = len(self.train_dataloader)
        return end == math.inf or int(begin * steps) < int(end * steps)

    def resume(self, filename: str, *args: Any, **kwargs: Any) -> None:
        """Load a checkpoint to go on from.

        Raises:
            InputError: It belongs to another run, or its state is damaged.
        """
        try:
            super().resume(filename, *args, **kwargs)
        except InputError:
            raise
        except (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError,
                TypeError, ValueError) as error:  # fmt: skip
            # What is of another form is found by whoever uses it first.
            raise InputError(
                f"{filename}: its training state is damaged, so no run can go on from it "
                f"({type(error).__name__}: {first_line(error)})"
            ) from error

    def val(self) -> dict:
        with self._refused_cleanly():
            self._ensure_pack()
            return super().val()

    def test(self) -> dict:
        with self._refused_cleanly():
            self._ensure_pack()
            self._use_views()
            return super().test()

    def call_hook(self, fn_name: str, **kwargs: Any) -> None:
        super().call_hook(fn_name, **kwargs)
        if fn_name in ("before_train", "before_val", "before_test") and not self._started:
            self._started = True  # no hook has refused the run
            self.dump_config()

    def dump_config(self) -> None:
        """Write the config to the work directory, but not over that of a run there too early.

        MMEngine calls this while the runner is built, before any hook can refuse the run. That a
        run was resumed does not belong to its config, from which another may start.
        """
        if self._started:
            if self._resume:
                self.cfg.resume, self.cfg.load_from = False, None
            name = Path(self.cfg.filename or f"{self.timestamp}.py").name
            with atomic_write(Path(self.work_dir) / name) as whole:
                self.cfg.dump(whole)

    def build_logger(
        self, log_level: int | str = "INFO", log_file: str | None = None, **kwargs: Any
    ) -> MMLogger:
        logger = super().build_logger(log_level, log_file, **kwargs)
        for handler in logger.handlers:
            handler.handleError = partial(_refuse_log, handler)
            if not isinstance(handler, logging.FileHandler):
                handler.setLevel(max(handler.level, logging.WARNING))
                handler.addFilter(lambda line: not line.getMessage().startswith(_NOT_FOR_USERS))
        return logger

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

    def setup_env(self, env_cfg: dict) -> None:
        """Set up as MMEngine does; the log folder, named by the second, is no other run's."""
        super().setup_env(env_cfg)
        stamp = [self.timestamp]
        while is_main_process() and not _made(Path(self.work_dir) / stamp[0]):
            time.sleep(0.1)
            stamp[0] = time.strftime("%Y%m%d_%H%M%S")
        broadcast_object_list(stamp)
        self._timestamp = stamp[0]

    def _has_batch_norms(self) -> bool:
        return any(isinstance(part, _BatchNorm) for part in live_model(self).modules())

    def _alone(self) -> AbstractContextManager[None]:
        """Keep other runs out of the work directory; all processes of one are one."""
        if not is_main_process():
            return nullcontext()
        return locked(
            Path(self.work_dir) / CARD,
            "another process trains in this folder; wait for its end, or use another --work-dir",
        )

    def _check_start(self) -> None:
        if self._resume:
            return
        if (Path(self.work_dir) / "last_checkpoint").exists():
            raise InputError(
                f"{self.work_dir}: holds a run already; continue it with --resume, "
                "or keep both with another --work-dir"
            )
        weights = self._load_from or pretrained_weights(self.cfg.model)
        if weights is not None and hasattr(classifier_of(self.model), "backbone"):
            check_pretrained(self.model, weights)

    def _use_views(self) -> None:
        """Average over the views of ``tta`` where it is enabled and nobody has done it yet."""
        model = live_model(self)
        if self.cfg.get("tta", {}).get("enabled") and not isinstance(model, BaseTTAModel):
            self.model = MODELS.build({**self.cfg.tta_model, "module": model})

    def _ensure_pack(self) -> None:
        if self.cfg.get("data", {}).get("pack") is not None:
            if get_local_rank() == 0:  # once a machine
                ensure_pack(self.cfg)
            barrier()

    @contextmanager
    def _refused_cleanly(self) -> Iterator[None]:
        """Remove the folders that were made where an error comes before the first step."""
        try:
            with writing(self._home):
                yield
        except BaseException as error:
            if isinstance(error, ValueError) and "more than 1 value per channel" in str(error):
                size = self.cfg.train_dataloader.batch_size
                raise InputError(
                    "train_dataloader.batch_size must leave at least 2 photos to each batch "
                    f"and process for batch norm on one pixel of each; got {size}, and a batch of "
                    "1 photo; or enlarge preprocessing.size"
                ) from error
            if self._started:
                raise
            if hasattr(self, "_log_dir"):
                shutil.rmtree(self._log_dir, ignore_errors=True)
            for folder in self._new_folders:
                with suppress(OSError):  # there is something else in it
                    folder.rmdir()
            if isinstance(error, TypeError) and "unexpected keyword argument" in str(error):
                raise InputError(f"{self.cfg.filename}: {error}") from error
            raise


def _refuse_log(handler: logging.Handler, record: logging.LogRecord) -> None:
    """End a run whose log cannot be written; logging would print a traceback for each line."""
    error = sys.exc_info()[1]  # logging calls this where it handles one
    if isinstance(error, OSError) and isinstance(handler, logging.FileHandler):
        raise WriteError(
            f"{handler.baseFilename}: could not be written: {reason_of(error)}"
        ) from error
    if isinstance(error, OSError):
        raise error
    logging.Handler.handleError(handler, record)


def _looks_once(loop: dict) -> bool:
    """Say whether a loop needs each photo, and trains no batch norm."""
    kind = LOOPS.get(loop["type"]) if isinstance(loop.get("type"), str) else loop.get("type")
    return isinstance(kind, type) and issubclass(kind, LinearProbeLoop)


def _ends_alone(loader: DataLoader) -> bool:
    """Say whether the last of several batches is one photo."""
    size, drawn = loader.batch_size, len(loader.sampler)
    return size is not None and not loader.drop_last and 1 < size < drawn and drawn % size == 1


def _made(folder: Path) -> bool:
    """Make a folder, unless it is there."""
    with suppress(FileExistsError):
        folder.mkdir(parents=True)
        return True
    return False


def _missing_folders(work_dir: str) -> list[Path]:
    """Return the folders that have to be made for a work directory, the innermost first."""
    check_folder(work_dir)
    path = Path(work_dir).absolute()
    missing = []
    while not path.exists():
        missing.append(path)
        path = path.parent
    return missing
