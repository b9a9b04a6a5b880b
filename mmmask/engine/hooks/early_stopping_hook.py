"""Early stopping that a resumed run continues."""

from mmengine.hooks import EarlyStoppingHook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS

from mmmask.engine.hooks import priorities
from mmmask.errors import InputError

_STATE = "early_stopping"


@HOOKS.register_module()
class ResumableEarlyStoppingHook(EarlyStoppingHook):
    """Stop when a metric has not improved for some validations, however often the run resumed.

    Upstream forgets its count when a run resumes. Here the state lives in the message hub,
    which every checkpoint holds and only a resumed run reads back.

    Args:
        monitor: Key of the metric.
        rule: ``"greater"`` or ``"less"``: which value is the better one.
        patience: Validations without improvement after which training stops; at least 1.
        min_delta: By how much a value must beat the best to count as an improvement.
    """

    priority = priorities.EARLY_STOPPING

    def __init__(
        self,
        monitor: str = "macro_f1",
        *,
        rule: str = "greater",
        patience: int = 5,
        min_delta: float = 1e-4,
    ) -> None:
        if rule not in ("greater", "less"):
            raise InputError(f"early stopping `rule` must be 'greater' or 'less'; got {rule!r}")
        if patience < 1:
            raise InputError(f"early stopping `patience` must be at least 1; got {patience}")
        super().__init__(monitor, rule=rule, patience=patience, min_delta=min_delta)
        self._training = False

    def before_run(self, runner: Runner) -> None:
        """Do nothing; upstream would build the training data even for a test."""

    def before_train(self, runner: Runner) -> None:
        self._training = True
        state = runner.message_hub.get_info(_STATE)
        if state is None:
            return
        self.wait_count = state["wait_count"]
        self.best_score = state["best_score"]
        runner.train_loop.stop_training = state["stopped"]
        if state["stopped"]:
            runner.logger.warning(
                f"this run had stopped early after epoch {runner.epoch}: {self.monitor} did not "
                "improve; nothing is left to train"
            )

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float]) -> None:
        if not self._training:
            return
        if self.monitor not in metrics:
            raise InputError(
                f"early_stopping.monitor must be one of {', '.join(sorted(metrics))}; "
                f"got {self.monitor!r}"
            )
        super().after_val_epoch(runner, metrics)
        self.best_score = float(self.best_score)
        state = {
            "wait_count": self.wait_count,
            "best_score": self.best_score,
            "stopped": runner.train_loop.stop_training,
        }
        runner.message_hub.update_info(_STATE, state)

    def after_train(self, runner: Runner) -> None:
        self._training = False
