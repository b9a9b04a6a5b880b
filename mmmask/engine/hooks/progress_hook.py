"""What a person sees of a run: progress, speed, remaining time and the score so far."""

import math
import time
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS
from rich.console import Console
from torch import Tensor

from mmmask.engine.hooks import priorities
from mmmask.engine.photo_rate import PhotoRate
from mmmask.engine.stage_display import StageDisplay, clock, print_line
from mmmask.labels import ATTRIBUTES


class LossMean:
    """The mean loss of the steps since the last look and of all; looking waits for the device."""

    def __init__(self) -> None:
        self._recent: Tensor | None = None
        self._recent_steps = self._steps = 0
        self._total = 0.0

    def __bool__(self) -> bool:
        return self._recent_steps + self._steps > 0

    def add(self, loss: Tensor) -> None:
        self._recent = loss.detach() if self._recent is None else self._recent + loss.detach()
        self._recent_steps += 1

    def look(self) -> tuple[float, float]:
        """Return the mean over the steps since the last look, and over all steps."""
        recent = 0.0 if self._recent is None else float(self._recent)
        self._total += recent
        self._steps += self._recent_steps
        means = recent / max(self._recent_steps, 1), self._total / max(self._steps, 1)
        self._recent, self._recent_steps = None, 0
        return means


@HOOKS.register_module()
class ProgressHook(Hook):
    """Show a bar for each epoch, validation and test, and one line when an epoch is over.

    The scores come from the message hub, so they outlive a resume. Only the first process
    shows anything.

    Args:
        test_scores: Whether a test ends with a line of its scores, without those of single classes.
    """

    priority = priorities.PROGRESS

    def __init__(self, *, test_scores: bool = True) -> None:
        self.console = Console()
        self._test_scores = test_scores
        self._rate = PhotoRate()
        self._display: StageDisplay | None = None
        self._epoch_ended = False
        self._validated = False

    # training

    def before_train(self, runner: Runner) -> None:
        self._start, self._start_iter = time.monotonic(), runner.iter

    def before_train_epoch(self, runner: Runner) -> None:
        self.after_val(runner)  # there may have been no validation
        self._open(f"epoch {runner.epoch + 1}/{runner.max_epochs}", len(runner.train_dataloader))
        self._loss = LossMean()
        self._rate.start()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        if outputs and "loss" in outputs:
            self._loss.add(outputs["loss"])
        self._rate.add(len(data_batch["inputs"]) * runner.world_size)
        if self._display is not None and self._display.is_due():
            rates = runner.optim_wrapper.get_lr()
            learning = (
                f"loss {self._loss.look()[0]:.3f}",
                f"lr {rates.get('base_lr', rates['lr'])[0]:.1e}",
            )
            facts = (
                *(learning if self._loss else ()),  # a linear probe has neither
                f"{self._rate.epoch():.0f} photos/s",
                f"ETA {clock(self._remaining(runner, runner.iter + 1))}",
                *_score_facts(runner),
            )
            self._display.show(batch_idx + 1, "  ".join(facts))

    def after_train_epoch(self, runner: Runner) -> None:
        self._close()
        self._epoch_ended, self._validated = True, False
        self._epoch_speed = self._rate.epoch()

    # validation and test

    def before_val_epoch(self, runner: Runner) -> None:
        self._open("validation", len(runner.val_dataloader))

    def after_val_iter(self, runner: Runner, batch_idx: int, *_: Any, **__: Any) -> None:
        if self._display is not None and self._display.is_due():
            self._display.show(batch_idx + 1, "")

    after_test_iter = after_val_iter

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        self._close()
        self._validated = True

    def after_val(self, runner: Runner) -> None:
        """Print the line of an epoch that is over; its number is ``runner.epoch`` by then."""
        if not self._epoch_ended:
            return
        self._epoch_ended = False
        if not is_main_process():
            return
        facts = (
            f"epoch {runner.epoch}/{runner.max_epochs}",
            *([f"train loss {self._loss.look()[1]:.3f}"] if self._loss else ()),
            *(_score_facts(runner, with_loss=True) if self._validated else ()),
            *([f"{self._epoch_speed:.0f} photos/s"] if self._rate.photos else ()),
            f"elapsed {clock(time.monotonic() - self._start)}",
            f"ETA {clock(self._remaining(runner, runner.iter))}",
        )
        print_line(self.console, "  ".join(facts))

    after_train = after_val  # of an epoch without a validation

    def before_test_epoch(self, runner: Runner) -> None:
        self._open("test", len(runner.test_dataloader))

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        self._close()
        facts = [
            f"{name} {value:.3f}"
            for name, value in (metrics or {}).items()
            if isinstance(value, float) and not name.startswith("f1_")
        ]
        if facts and self._test_scores and is_main_process():
            print_line(self.console, "  ".join(["test", *facts]))

    # display

    def _open(self, title: str, total: int) -> None:
        if is_main_process():
            self._display = StageDisplay(title, total, console=self.console)

    def _close(self) -> None:
        if self._display is not None:
            self._display.stop()
            self._display = None

    def _remaining(self, runner: Runner, done: int) -> float:
        """Return seconds to the end of the run, validations included in the rate so far."""
        elapsed = time.monotonic() - self._start
        return elapsed / (done - self._start_iter) * (runner.max_iters - done)


def _score_facts(runner: Runner, *, with_loss: bool = False) -> list[str]:
    """Return validation loss and macro F1, last and best, as far as there was a validation.

    Where no photo held out knows a whole class, they are the accuracies of what is known.
    """
    scalars = runner.message_hub.log_scalars
    facts = []
    if with_loss and "val/nll" in scalars:
        facts.append(f"val loss {scalars['val/nll'].current():.3f}")
    if "val/macro_f1" in scalars:
        scores = scalars["val/macro_f1"]
        best = max(filter(math.isfinite, scores.data[0]), default=math.nan)
        facts.append(f"macro F1 {scores.current():.3f} (best {best:.3f})")
    else:
        accuracies = {name: f"val/{name}_accuracy" for name in ATTRIBUTES}
        facts += [
            f"{name} accuracy {scalars[key].current():.3f}"
            for name, key in accuracies.items()
            if key in scalars
        ]
    return facts
