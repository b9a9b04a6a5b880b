"""Store with each checkpoint what its users need: preprocessing, data, split and classes."""

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS

from mmmask.blocks import preprocessing_of
from mmmask.datasets.face_boxes import described
from mmmask.engine.hooks import priorities
from mmmask.engine.unwrap import live_model
from mmmask.errors import InputError
from mmmask.labels import ATTRIBUTES


@HOOKS.register_module(name=["CheckpointFactsHook", "PreprocessingHook"])  # the second is old
class CheckpointFactsHook(Hook):
    """Put the ``preprocessing`` and ``data`` blocks and the training split into ``meta``.

    The dataset's classes, which MMEngine keeps there, give way to the values of the attribute
    where the model predicts one alone: MMPretrain's inferencer names its answers by them.
    """

    priority = priorities.STORED_SETTING

    def before_train(self, runner: Runner) -> None:
        if "preprocessing" not in runner.cfg:
            raise InputError("config must have `preprocessing`, which checkpoints store, got none")

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
        # A table of face boxes may move to another path; its content must stay.
        checkpoint["meta"]["preprocessing"] = described(preprocessing_of(runner.cfg))
