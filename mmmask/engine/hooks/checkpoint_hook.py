"""Checkpoints from which a run continues exactly at an epoch boundary."""

import os
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmpretrain.registry import HOOKS

from mmmask.engine.hooks import priorities
from mmmask.errors import InputError
from mmmask.files import atomic_write

# What this run has written and not yet removed, as epochs in the message hub. A checkpoint holds
# the lists as they are before the removal, so a run killed in between finishes it on resuming.
_EPOCHS = "keep_ckpt_ids"
_BEST_EPOCHS = "best_ckpt_ids"
#: The ``backend_args`` by which the hook chooses :class:`WholeFileBackend`.
WHOLE_FILES = {"backend": "mmmask_whole"}


@register_backend(WHOLE_FILES["backend"], force=True)
class WholeFileBackend(LocalBackend):
    """Local files; a run killed while writing a checkpoint leaves the former content."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        with atomic_write(filepath) as partial:
            partial.write_bytes(obj)


@HOOKS.register_module()
class ResumableCheckpointHook(CheckpointHook):
    """Write ``epoch_N.pth`` once an epoch and its validation, if it has one, are over.

    Upstream writes before the validation, so a run killed in it resumes behind it: without its
    best score, its early stopping count, its learning rate. Here a checkpoint has every hook's
    state after the validation, and a run killed earlier repeats the epoch. Files are written
    whole, old ones removed only after, and all of them named by the current work directory,
    so that a copied work directory never touches the original.

    ``best_<metric>_epoch_N.pth`` holds the weights without the optimizer; ``meta`` says by which
    metric it is ``chosen_by`` the people held out. Where an EMAHook is used, the averaged weights
    are those validated and those under ``state_dict`` of either file; the weights being trained
    are under ``ema_state_dict``.

    With gradient accumulation the number of steps per epoch should be a multiple of
    ``accumulative_counts``; MMEngine does not store a gradient begun in one epoch and used in
    the next.

    Args:
        interval: Epochs between two resumable checkpoints. The last one is always written.
        max_keep_ckpts: How many of them are kept, at least 1.
        save_best: Key of the metric that decides which epoch is the best; None for no such file.
        rule: ``"greater"`` or ``"less"``: which value of that metric is the better one.
    """

    priority = priorities.CHECKPOINT

    def __init__(
        self,
        interval: int = 1,
        *,
        max_keep_ckpts: int = 1,
        save_best: str | None = "macro_f1",
        rule: str = "greater",
    ) -> None:
        for name, value in (("interval", interval), ("max_keep_ckpts", max_keep_ckpts)):
            if value < 1:
                raise InputError(f"checkpoint `{name}` must be at least 1; got {value}")
        if rule not in self.rule_map:
            raise InputError(f"checkpoint `rule` must be 'greater' or 'less'; got {rule!r}")
        super().__init__(
            interval=interval,
            max_keep_ckpts=max_keep_ckpts,
            save_best=save_best,
            rule=rule,
            backend_args=WHOLE_FILES,
        )
        self.metric = save_best
        self._is_better, self._worst = self.rule_map[rule], self.init_value_map[rule]
        self._epoch_ended = False

    def before_run(self, runner: Runner) -> None:
        """Resume the last checkpoint of this very work directory, which may have been moved."""
        if runner._resume and runner._load_from is None:
            pointer = Path(runner.work_dir) / "last_checkpoint"
            if pointer.is_file() and os.path.isfile(own := _named_by(pointer)):
                runner._load_from = str(own)

    def before_train(self, runner: Runner) -> None:
        if not isinstance(runner.train_loop, EpochBasedTrainLoop):
            raise InputError("train_cfg must have by_epoch=True; got a loop counted in iterations")
        self.out_dir = runner.work_dir
        self._epoch_ended = False
        self._metrics: dict[str, float] | None = None
        self._rebase_best(runner)
        self._remove_outdated(runner)
        if is_main_process():
            _rebase_last_checkpoint(Path(self.out_dir))
            _remove_half_written(Path(self.out_dir))
        runner.logger.info(f"Checkpoints will be saved to {self.out_dir}.")

    def after_train_epoch(self, runner: Runner) -> None:
        self._epoch_ended = True
        self._due = self.every_n_epochs(runner, self.interval) or self.is_last_train_epoch(runner)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float]) -> None:
        self._metrics = metrics

    def after_val(self, runner: Runner) -> None:
        """Write what is due, once every hook has seen the metrics in ``after_val_epoch``."""
        if not self._epoch_ended:
            return
        self._epoch_ended = False
        metrics, self._metrics = self._metrics, None
        if self.metric is not None and metrics is not None:
            self._write_best(runner, metrics)
        if self._due or runner.train_loop.stop_training:
            self._write_epoch(runner)
            self._remove_outdated(runner)

    # An epoch without a validation is over when the next one begins or the training ends.
    before_train_epoch = after_train = after_val

    def _write_best(self, runner: Runner, metrics: dict[str, float]) -> None:
        if self.metric not in metrics:
            raise InputError(
                f"default_hooks.checkpoint.save_best must be one of "
                f"{', '.join(sorted(metrics))}; got {self.metric!r}"
            )
        hub = runner.message_hub
        score = float(metrics[self.metric])
        if not self._is_better(score, hub.get_info("best_score", self._worst)):  # or NaN
            return
        hub.update_info("best_score", score)
        hub.update_info(_BEST_EPOCHS, [*hub.get_info(_BEST_EPOCHS, []), runner.epoch])
        hub.update_info("best_ckpt", str(self._path(_BEST_EPOCHS, runner.epoch)))
        self._save(runner, _BEST_EPOCHS, with_optimizer=False, chosen_by=self.metric)

    def _write_epoch(self, runner: Runner) -> None:
        hub = runner.message_hub
        path = self._path(_EPOCHS, runner.epoch)
        hub.update_info(_EPOCHS, [*hub.get_info(_EPOCHS, []), runner.epoch])
        hub.update_info("last_ckpt", str(path))
        self.last_ckpt = str(path)
        self._save(runner, _EPOCHS, with_optimizer=True)
        if is_main_process():
            _write_last_checkpoint(path)

    def _save(self, runner: Runner, key: str, *, with_optimizer: bool, **facts: Any) -> None:
        runner.save_checkpoint(
            self.out_dir,
            self._path(key, runner.epoch).name,
            save_optimizer=with_optimizer,
            save_param_scheduler=with_optimizer and runner.param_schedulers is not None,
            meta={"epoch": runner.epoch, "iter": runner.iter, **facts},
            backend_args=self.backend_args,
        )

    def _remove_outdated(self, runner: Runner) -> None:
        """Remove what this run has written but the newest; never a file it does not know."""
        for key, kept in ((_EPOCHS, self.max_keep_ckpts), (_BEST_EPOCHS, 1)):
            epochs = runner.message_hub.get_info(key, [])
            if is_main_process():
                for epoch in epochs[:-kept]:
                    self._path(key, epoch).unlink(missing_ok=True)
            runner.message_hub.update_info(key, epochs[-kept:])

    def _rebase_best(self, runner: Runner) -> None:
        """Find the best checkpoint so far in this work directory, or forget it."""
        hub = runner.message_hub
        epochs = hub.get_info(_BEST_EPOCHS, [])
        if not epochs:
            return
        best = self._path(_BEST_EPOCHS, epochs[-1])
        if best.is_file() or not is_main_process():  # other machines may not see the folder
            hub.update_info("best_ckpt", str(best))
            return
        runner.logger.warning(
            f"{best} is missing: the best checkpoint is chosen among the epochs from now on"
        )
        for key in (_BEST_EPOCHS, "best_ckpt", "best_score"):
            hub.pop_info(key)

    def _path(self, key: str, epoch: int) -> Path:
        name = self.filename_tmpl.format(int(epoch))  # an int: a file must not choose a path
        return Path(self.out_dir) / (f"best_{self.metric}_{name}" if key == _BEST_EPOCHS else name)


def _remove_half_written(work_dir: Path) -> None:
    """Remove partial files, see :func:`mmmask.files.atomic_write`, of a run that was killed."""
    for name in (".epoch_*.part.pth", ".best_*.part.pth"):
        for leftover in work_dir.glob(name):
            leftover.unlink(missing_ok=True)


def _write_last_checkpoint(path: Path) -> None:
    with atomic_write(path.parent / "last_checkpoint") as partial:
        partial.write_text(str(path))


def _named_by(pointer: Path) -> Path:
    """Return the file beside ``last_checkpoint`` that it names, by a path that may be outdated."""
    return pointer.parent / Path(pointer.read_text(errors="replace").strip()).name


def _rebase_last_checkpoint(work_dir: Path) -> None:
    """Point ``last_checkpoint``, which holds an absolute path, into this work directory."""
    pointer = work_dir / "last_checkpoint"
    if not pointer.is_file():
        return
    own = _named_by(pointer)
    if pointer.read_text(errors="replace").strip() != str(own) and os.path.isfile(own):
        _write_last_checkpoint(own)
