"""The registered metric: gathers the predictions of a run over the data and scores them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.dist import all_gather_object, broadcast_object_list, is_main_process
from mmengine.evaluator import BaseMetric
from mmpretrain.registry import METRICS
from numpy.typing import NDArray

from mmmask.evaluation.scores import fit_temperature, scores


@METRICS.register_module()
class MaskFaceMetric(BaseMetric):
    """Macro F1 over the 18 classes, accuracies, likelihood loss and per-class F1.

    Also fits the temperature that calibrates these predictions (``temperature``, relative to the
    probabilities as given). Photos without a label are gathered and not scored.

    Attributes:
        predictions: After an evaluation, on the main process: (row numbers (N,), probabilities
            (N, 18) float32), ordered by row number, each photo once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.predictions: tuple[NDArray[np.int64], NDArray[np.float32]] | None = None

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep row numbers, probabilities and labels of a batch, or of single photos."""
        for sample in data_samples:
            rows = torch.as_tensor(sample["sample_idx"]).reshape(-1)
            score = sample["pred_score"].reshape(len(rows), -1)
            label = sample.get("gt_label")
            label = torch.full_like(rows, -1) if label is None else label.reshape(-1)
            self.results.append(
                (rows.cpu().numpy(), score.float().cpu().numpy(), label.cpu().numpy())
            )

    def evaluate(self, size: int) -> dict[str, float]:
        """Gather from all processes, drop the copies that even out the ranks, and score."""
        parts = all_gather_object(self.results)
        self.results: list = []  # not cleared: alone, the gathered list is this very list
        result: list[dict] = [{}]
        if is_main_process():
            columns = zip(*(batch for part in parts for batch in part), strict=True)
            rows, probabilities, labels = (np.concatenate(column) for column in columns)
            rows, first = np.unique(rows, return_index=True)
            if len(rows) != size:
                raise RuntimeError(f"predictions of {len(rows)} photos for a dataset of {size}")
            self.predictions = rows, probabilities[first]
            result = [self.compute_metrics([(labels[first], probabilities[first])])]
        broadcast_object_list(result)
        return result[0]

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Score one (labels (N,), probabilities (N, 18)) pair."""
        ((labels, probabilities),) = results
        known = labels >= 0
        if not known.any():
            return {}
        truth, probabilities = labels[known], probabilities[known]
        return {
            **scores(truth, probabilities),
            "temperature": fit_temperature(truth, probabilities),
        }
