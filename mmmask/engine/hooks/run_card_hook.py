"""Write down what a run is made of, how far it came and how well it did."""

import math
import os
from numbers import Real
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS

from mmmask.engine.hooks import priorities
from mmmask.engine.hooks.without_truth_hooks import WithoutTruthHook
from mmmask.engine.photo_rate import PhotoRate
from mmmask.engine.unwrap import samples_of
from mmmask.errors import DivergedError, InputError, first_line, interruption_of
from mmmask.evaluation.metric import MaskFaceMetric
from mmmask.ledger.cards import CARD, is_alive, read_card, this_process, write_card
from mmmask.ledger.config_differences import changes, decides_weights, flat, flat_config
from mmmask.ledger.epoch_answers import EpochAnswers
from mmmask.ledger.provenance import (
    code_version,
    command_line,
    fingerprint,
    machine,
    now,
    text_hash,
    versions,
)
from mmmask.tables import EPOCH_ANSWERS, PROBABILITIES, YEARS


@HOOKS.register_module()
class RunCardHook(Hook):
    """Keep ``card.json`` in the work directory; :mod:`mmmask.ledger.cards` says what stands in it.

    The main process writes it at the start, after each epoch and its validation, and at the end.
    A run that is refused before it starts leaves none. Where :class:`MaskFaceMetric` scores the
    validations, their answers go into ``val_answers.parquet`` beside it, see
    :mod:`mmmask.ledger.epoch_answers`.
    """

    priority = priorities.RUN_CARD

    def __init__(self) -> None:
        self._card: dict[str, Any] | None = None  # None but in a training, on the main process
        self._answers: EpochAnswers | None = None  # None before the first validation

    def before_run(self, runner: Runner) -> None:
        # Formatting takes a while, so the text that RuntimeInfoHook made is used where there is
        # one; resuming drops it from the message hub.
        self._config = runner.message_hub.get_info("cfg") or runner.cfg.pretty_text

    def before_train(self, runner: Runner) -> None:
        self._rate = PhotoRate()
        if not is_main_process():
            return
        former = _former(Path(runner.work_dir))
        answers = EpochAnswers.read(runner.work_dir)
        answers = None if answers is None else answers.until(runner.epoch)
        self._answers = answers if answers is not None and answers.epochs else None
        session = {
            "status": "running",
            "start": now(),
            "from_epoch": runner.epoch,
            "max_epochs": runner.max_epochs,
            "command": command_line(),
            "config_file": runner.cfg.filename and os.path.abspath(runner.cfg.filename),
            "config_hash": text_hash(self._config),
            "overrides": _overrides(runner.cfg),
            "seed": runner.seed,
            "split": _split(runner),
            "data": _data(runner),
            "without_truth": _without_truth(runner),
            "code": code_version(),
            "versions": versions(),
            "machine": {
                **machine(),
                "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
                "processes": runner.world_size,
            },
            "process": this_process(),
        }
        self._card = {
            "sessions": [*former.get("sessions", []), session],
            "validations": [
                one for one in former.get("validations", []) if one["epoch"] <= runner.epoch
            ],
            "configs": {**former.get("configs", {}), session["config_hash"]: self._config},
        }
        self._write(runner)

    def before_train_epoch(self, runner: Runner) -> None:
        self._write(runner)
        self._rate.start()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        self._rate.add(len(data_batch["inputs"]) * runner.world_size)

    def after_train_epoch(self, runner: Runner) -> None:
        self._rate.stop()

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        if self._card is not None:
            scores = {
                name: float(value)
                for name, value in (metrics or {}).items()
                if isinstance(value, Real) and math.isfinite(value) and not name.startswith("f1_")
            }
            self._card["validations"].append({"epoch": runner.epoch, **scores})
            if "macro_f1" in scores:
                self._keep_answers(runner)
            # Before the checkpoint of this epoch: whoever resumes from it knows its validation.
            self._write(runner)

    def after_val(self, runner: Runner) -> None:
        self._write(runner)

    def after_run(self, runner: Runner) -> None:
        self._end(runner, status="finished")

    def after_failure(self, runner: Runner, error: BaseException) -> None:
        """State on the card why the run ended; :class:`ConsoleRunner` calls this."""
        if interruption_of(error) is not None:
            self._end(runner, status="interrupted")
        elif isinstance(error, DivergedError):
            self._end(runner, status="diverged", error=first_line(error))
        else:
            reason = f"{type(error).__name__}: {first_line(error)}"
            self._end(runner, status="failed", error=reason)

    def _keep_answers(self, runner: Runner) -> None:
        metrics = (one for one in runner.val_evaluator.metrics if isinstance(one, MaskFaceMetric))
        metric = next(metrics, None)
        if metric is None or metric.predictions is None:
            return
        rows, probabilities = metric.predictions
        photos = samples_of(runner.val_dataloader.dataset).iloc[rows]
        if not {*EPOCH_ANSWERS} - {"fits"} <= {*photos}:  # a dataset of somebody else
            return
        if self._answers is None:
            self._answers = EpochAnswers.of(photos, metric.attribute)
        self._answers = self._answers.with_epoch(runner.epoch, probabilities.argmax(axis=1))
        self._answers.write(runner.work_dir)

    def _end(self, runner: Runner, **how: str) -> None:
        if self._card is not None:
            self._card["sessions"][-1].update(how)
        self._write(runner)
        self._card = None

    def _write(self, runner: Runner) -> None:
        if self._card is None:
            return
        rate = self._rate.overall()
        self._card["sessions"][-1].update(
            end=now(),
            epoch=runner.epoch,
            photos_per_second=None if rate is None else round(rate, 1),
        )
        write_card(runner.work_dir, self._card)


def _former(work_dir: Path) -> dict[str, Any]:
    """Return the card so far, if there is one; refuse a session that goes on in another process."""
    if not (work_dir / CARD).exists():
        return {}
    card = read_card(work_dir)
    last = card["sessions"][-1]
    if last.get("status") == "running":
        process = last.get("process")
        if is_alive(process) and process != this_process():
            raise InputError(
                f"{work_dir}: process {process['pid']} is training in it since "
                f"{last.get('start')}; wait for its end, or use another --work-dir"
            )
        last["status"] = "interrupted"
    return card


def _overrides(cfg: Config) -> dict[str, Any]:
    """Return dotted name -> value, where a config learns otherwise than the file it is from."""
    if cfg.filename is None:
        return {}
    try:
        of_file = flat_config(cfg.filename, {})
    except InputError:  # it is no config by itself, or gone
        return {}
    changed = changes(of_file, flat(cfg.to_dict()))
    return {name: used for name, (_, used) in changed.items() if decides_weights(name)}


def _split(runner: Runner) -> dict[str, Any]:
    data = runner.cfg.get("data", {})
    trained_on = getattr(runner.train_dataloader.dataset, "split", None)
    keys = ("folds", "fold", "split_seed")
    return {"trained_on": trained_on, **{key: data[key] for key in keys if key in data}}


def _data(runner: Runner) -> dict[str, Any]:
    datasets = {"train": runner.train_dataloader.dataset}
    if runner.val_loop is not None:
        datasets["val"] = runner.val_loop.dataloader.dataset
    facts = {"root": runner.cfg.get("data", {}).get("data_root")}
    for name, dataset in datasets.items():
        samples = samples_of(dataset)
        people = int(samples["person"].nunique())
        facts[name] = {
            "photos": len(samples),
            "people": people,
            "fingerprint": fingerprint(samples),
        }
        if PROBABILITIES[0] in samples:
            facts[name]["soft_labels"] = fingerprint(samples, (*PROBABILITIES, *YEARS))
    return facts


def _without_truth(runner: Runner) -> dict[str, Any]:
    """Return what hooks recorded of photos learned without their true labels."""
    hooks = [hook for hook in runner.hooks if isinstance(hook, WithoutTruthHook)]
    return {hook.record_name: hook.record for hook in hooks if hook.record is not None}
