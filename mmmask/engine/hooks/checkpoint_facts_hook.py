"""Store with each checkpoint what its users need, and refuse to resume one of another run."""

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS

from mmmask.datasets.face_boxes import preprocessing_facts
from mmmask.engine.hooks import priorities
from mmmask.engine.resumed_state import check_state
from mmmask.engine.resumption import RUN_FACTS, check_resumable, run_facts
from mmmask.engine.unwrap import live_model
from mmmask.errors import InputError
from mmmask.labels import ATTRIBUTES


@HOOKS.register_module(name=["CheckpointFactsHook", "PreprocessingHook"])  # the second is old
class CheckpointFactsHook(Hook):
    """Put the ``preprocessing`` and ``data`` blocks and the training split into ``meta``.

    With them go the facts that a resumed run must share, see :mod:`mmmask.engine.resumption`.

    The dataset's classes, which MMEngine keeps there, give way to the values of the attribute
    where the model predicts one alone: MMPretrain's inferencer names its answers by them.
    """

    priority = priorities.CHECKPOINT_FACTS
    _facts: dict | None = None

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Refuse to resume a checkpoint of another run, before anything of it is used."""
        if runner._resume:  # other loads take the weights alone
            check_resumable(runner, checkpoint, run_facts(runner))
            check_state(runner, checkpoint, runner._load_from)

    def before_train(self, runner: Runner) -> None:
        if "preprocessing" not in runner.cfg:
            raise InputError("config must have `preprocessing`, which checkpoints store; got none")
        self._facts = run_facts(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if "data" in runner.cfg:
            checkpoint["meta"]["data"] = runner.cfg.data.to_dict()  # any reader unpickles it
        split = getattr(runner.train_dataloader.dataset, "split", None)
        if split is not None:
            checkpoint["meta"]["trained_on"] = split
        attribute = getattr(getattr(live_model(runner), "head", None), "attribute", None)
        if attribute is not None:
            known = checkpoint["meta"].get("dataset_meta", {})
            checkpoint["meta"]["dataset_meta"] = {**known, "classes": ATTRIBUTES[attribute]}
        checkpoint["meta"][RUN_FACTS] = self._facts or run_facts(runner)
        # A table of face boxes may move to another path; its content must stay.
        checkpoint["meta"]["preprocessing"] = preprocessing_facts(runner.cfg)
