"""Say which photos a run used without their labels, above all those of the test set."""

import hashlib
import os
from pathlib import Path

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS

from mmmask.engine.hooks import priorities
from mmmask.engine.unwrap import inner_datasets
from mmmask.errors import InputError


@HOOKS.register_module()
class UnlabelledHook(Hook):
    """Record the unlabelled photos of a semi-supervised run; refuse those of the validation.

    Photos of the test set, seen without labels, make its score one of a transductive system;
    photos of the validation would do so to the score by which runs are compared. The record
    stands in the log and as ``meta['unlabelled']`` in each checkpoint: ``photos`` (what the
    config names), ``count``, ``from_test_set`` (how many lie in ``eval/``) and ``fingerprint``.
    """

    priority = priorities.SPLIT_CHECK
    record_name = "unlabelled"

    def before_train(self, runner: Runner) -> None:
        unlabelled = runner.train_loop.unlabelled_dataloader.dataset
        paths = unlabelled.paths()
        if runner.val_loop is not None:
            for val, _ in inner_datasets(runner.val_loop.dataloader.dataset, "samples"):
                root = os.path.abspath(val.data_root)
                shared = [name for name in val.samples["image"] if Path(root, name) in paths]
                if shared:
                    raise InputError(
                        f"semi.photos: {len(shared)} of the unlabelled photos are held out for "
                        f"validation, the first is {shared[0]}; leave them out"
                    )
        test_set = Path(os.path.abspath(unlabelled.data_root), "eval")
        listed = unlabelled.samples["image"].to_csv(index=False, header=False)
        self.record = {
            "photos": runner.cfg.semi.photos,
            "count": len(unlabelled),
            "from_test_set": sum(test_set in path.parents for path in paths),
            "fingerprint": hashlib.sha256(listed.encode()).hexdigest(),
        }
        runner.logger.warning(
            f"{self.record['count']} photos are used without labels, "
            f"{self.record['from_test_set']} of them of the test set"
        )

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        checkpoint["meta"]["unlabelled"] = self.record
