"""Say which photos a run learned with labels that a model gave them, above all of the test set."""

import hashlib

import pandas as pd
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS

from mmmask.engine.hooks import priorities
from mmmask.engine.unwrap import inner_datasets


def pseudo_labels(samples: pd.DataFrame) -> dict | None:
    """Return what a run says of its pseudo-labels; None where there are none.

    Returns:
        ``count``; ``from_test_set``, how many of them lie in ``eval/``; ``fingerprint`` of the
        photos and their labels.
    """
    pseudo = samples[samples["source"] == "pseudo"]
    if pseudo.empty:
        return None
    listed = pseudo[["image", "label"]].to_csv(index=False, header=False)
    return {
        "count": len(pseudo),
        "from_test_set": int(pseudo["image"].str.startswith("eval/").sum()),
        "fingerprint": hashlib.sha256(listed.encode()).hexdigest(),
    }


@HOOKS.register_module()
class PseudoLabelHook(Hook):
    """Record the pseudo-labels of a run: in its log, and in ``meta['pseudo_labels']``.

    Some hold training on photos of the test set, labelled by a model, to be leakage: whoever
    reads a score has to know. The record goes from each checkpoint to its predictions.
    """

    priority = priorities.SPLIT_CHECK
    record_name = "pseudo_labels"

    def before_train(self, runner: Runner) -> None:
        datasets = inner_datasets(runner.train_dataloader.dataset, "samples")
        samples = pd.concat([inner.samples for inner, _ in datasets], ignore_index=True)
        self.record = pseudo_labels(samples)
        if self.record is not None:
            runner.logger.warning(
                f"{self.record['count']} photos are trained on with pseudo-labels, "
                f"{self.record['from_test_set']} of them of the test set, which some hold to be "
                "leakage: say so beside the score"
            )

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if self.record is not None:
            checkpoint["meta"]["pseudo_labels"] = self.record
