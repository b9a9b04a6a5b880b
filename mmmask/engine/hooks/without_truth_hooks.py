"""Say which photos a run learned without their true labels, above all those of the test set."""

from typing import Any, ClassVar

import pandas as pd
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS

from mmmask.datasets.data_source import DataSource
from mmmask.engine.hooks import priorities
from mmmask.engine.unwrap import inner_datasets, samples_of
from mmmask.errors import InputError
from mmmask.ledger.provenance import text_hash
from mmmask.reading import real_paths


class WithoutTruthHook(Hook):
    """Keep a record of such photos in ``meta`` of each checkpoint, and for :class:`RunCardHook`.

    Some hold training on photos of the test set to be leakage: readers of a score have to know.
    The record goes from each checkpoint to its predictions.

    Attributes:
        record_name: Its key.
        record: ``count``; ``from_test_set``, how many of the photos are to be predicted;
            ``fingerprint``. A subclass makes it before training; None: there are no such photos.
    """

    priority = priorities.SPLIT_CHECK
    record_name: ClassVar[str]
    record: dict[str, Any] | None

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if self.record is not None:
            checkpoint["meta"][self.record_name] = self.record


def pseudo_labels(samples: pd.DataFrame, source: DataSource) -> dict | None:
    """Return the record of the pseudo-labels of a table; None where there are none."""
    pseudo = samples[samples["source"] == "pseudo"]
    if pseudo.empty:
        return None
    return {
        "count": len(pseudo),
        "from_test_set": source.count_test_photos(pseudo["image"]),
        "fingerprint": text_hash(pseudo[["image", "label"]].to_csv(index=False, header=False)),
    }


@HOOKS.register_module()
class PseudoLabelHook(WithoutTruthHook):
    """Record the photos whose labels a model gave, also in the log."""

    record_name = "pseudo_labels"

    def before_train(self, runner: Runner) -> None:
        samples = samples_of(runner.train_dataloader.dataset)
        self.record = pseudo_labels(samples, DataSource.of(runner.cfg))
        if self.record is not None:
            runner.logger.warning(
                f"{self.record['count']} photos are trained on with pseudo-labels, "
                f"{self.record['from_test_set']} of them of the test set, which some hold to be "
                "leakage: say so beside the score"
            )


@HOOKS.register_module()
class UnlabelledHook(WithoutTruthHook):
    """Record the unlabelled photos of a semi-supervised run; refuse those of the validation.

    Photos of the test set, seen without labels, make its score one of a transductive system;
    photos of the validation would do so to the score by which runs are compared. The record also
    has ``photos``, what the config names, and stands in the log.
    """

    record_name = "unlabelled"

    def before_train(self, runner: Runner) -> None:
        unlabelled = runner.train_loop.unlabelled_dataloader.dataset
        paths = unlabelled.paths()
        if runner.val_loop is not None:
            for val, _ in inner_datasets(runner.val_loop.dataloader.dataset, "samples"):
                names = val.samples["image"]
                photos = zip(names, real_paths(val.data_root, names), strict=True)
                shared = [name for name, path in photos if path in paths]
                if shared:
                    raise InputError(
                        f"semi.photos: {len(shared)} of the unlabelled photos are held out for "
                        f"validation, the first is {shared[0]}; leave them out"
                    )
        listed = unlabelled.samples["image"].to_csv(index=False, header=False)
        self.record = {
            "photos": runner.cfg.semi.photos,
            "count": len(unlabelled),
            "from_test_set": DataSource.of(runner.cfg).count_test_photos(paths),
            "fingerprint": text_hash(listed),
        }
        runner.logger.warning(
            f"{self.record['count']} photos are used without labels, "
            f"{self.record['from_test_set']} of them of the test set"
        )
