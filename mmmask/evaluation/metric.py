"""The registered metric: gathers the predictions of a run over the data and scores them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.dist import all_gather_object, broadcast_object_list, is_main_process
from mmengine.evaluator import BaseMetric
from mmpretrain.registry import METRICS
from numpy.typing import NDArray

from mmmask.errors import InputError
from mmmask.evaluation.ages import MAE, age_errors
from mmmask.evaluation.scores import attribute_scores, fit_temperature, scores
from mmmask.known import known_values
from mmmask.labels import NUM_CLASSES, NUM_YEARS, decode
from mmmask.structures import joined
from mmmask.tables import check_finite


@METRICS.register_module()
class MaskFaceMetric(BaseMetric):
    """Macro F1 over the 18 classes, accuracies, likelihood loss and per-class F1.

    A model of one attribute is scored by its values: ``macro_f1`` is then the mean over these. Of
    a model of years, ``age_mae`` is the mean over photos of known age of the years between it
    and the predicted median.

    Also fits the temperature that calibrates these predictions (``temperature``, relative to the
    probabilities as given). Photos of which nothing is known are gathered and not scored. Where
    labels are known in part (``fits``), each attribute is scored by the photos that know it, and
    what needs the class by those that know all; what no photo knows has no score. Where a
    probability is not finite, every score is NaN.

    Attributes:
        predictions: After an evaluation, on the main process: (row numbers (N,), probabilities
            (N, 18) float32), ordered by row number, each photo once.
        years: Likewise the probabilities of the ages 0 to 120, (N, 121); None if not modelled.
        attribute: What the probabilities are about; None means the 18 classes.
        model: File of the weights that are tested: names them where their outputs are refused as
            not finite. None refuses none, as in the validations of a training.
    """

    def __init__(self) -> None:
        super().__init__()
        self.predictions: tuple[NDArray[np.int64], NDArray[np.float32]] | None = None
        self.years: NDArray[np.float32] | None = None
        self.attribute: str | None = None
        self.model: str | None = None

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Keep row numbers, probabilities and labels of a batch, or of single photos.

        Raises:
            InputError: The photos have no row number, or probabilities of other classes.
        """
        for sample in joined(data_samples):
            if "sample_idx" not in sample:
                raise InputError(
                    "MaskFaceMetric needs sample_idx of each photo: meta_keys of PackInputs must "
                    "have it"
                )
            rows = torch.as_tensor(sample["sample_idx"]).reshape(-1)
            score = sample["pred_score"].reshape(len(rows), -1)
            if "attribute" not in sample and score.shape[1] != NUM_CLASSES:
                raise InputError(
                    f"MaskFaceMetric scores {NUM_CLASSES} classes; got probabilities of "
                    f"{score.shape[1]}; MMPretrain's SingleLabelMetric scores any number"
                )
            columns = {"row": rows, "probabilities": score.float()}
            for name, key in (("label", "gt_label"), ("age", "age")):
                value = sample.get(key)
                value = torch.full_like(rows, -1) if value is None else torch.as_tensor(value)
                columns[name] = value.reshape(-1)
            if "fits" in sample:
                columns["fits"] = torch.as_tensor(sample["fits"]).reshape(-1, NUM_CLASSES)
            if "pred_years" in sample:
                columns["years"] = sample["pred_years"].reshape(-1, NUM_YEARS).float()
            self.attribute = sample.get("attribute")
            arrays = {name: value.cpu().numpy() for name, value in columns.items()}
            if self.model is not None:
                check_finite(self.model, arrays["probabilities"], arrays.get("years"))
            self.results.append(arrays)

    def evaluate(self, size: int) -> dict[str, float]:
        """Gather from all processes, drop the copies that even out the ranks, and score."""
        parts = all_gather_object(self.results)
        self.results: list = []  # not cleared: alone, the gathered list is this very list
        result: list[dict] = [{}]
        if is_main_process():
            batches = [batch for part in parts for batch in part]
            columns = {
                name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]
            }
            rows, first = np.unique(columns["row"], return_index=True)
            if len(rows) != size:
                raise RuntimeError(f"predictions of {len(rows)} photos for a dataset of {size}")
            columns = {name: column[first] for name, column in columns.items()}
            self.predictions = rows, columns["probabilities"]
            self.years = columns.get("years")
            result = [self.compute_metrics([columns])]
        broadcast_object_list(result)
        return result[0]

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Score one dict of columns: label (N,), probabilities (N, 18), age (N,), fits, years."""
        (columns,) = results
        known, truth = columns["label"] >= 0, columns["label"]
        values = known_values(columns["fits"]) if "fits" in columns else None
        if self.attribute is not None:
            if values is None:
                truth = np.where(known, decode(np.maximum(truth, 0))[self.attribute], -1)
            else:
                truth = values[self.attribute]
            known = truth >= 0
        elif values is not None:
            known = ~columns["fits"].all(axis=1)  # something
        if not known.any():
            return {}
        truth, probabilities = truth[known], columns["probabilities"][known]
        sets = truth
        if self.attribute is not None:
            result = attribute_scores(truth, probabilities)
        elif values is None:
            result = scores(truth, probabilities)
        else:
            of_known = {name: value[known] for name, value in values.items()}
            result, sets = scores(truth, probabilities, values=of_known), columns["fits"][known]
        aged = columns["age"] >= 0
        if "years" in columns and aged.any():
            errors = age_errors(columns["years"][aged], columns["age"][aged])
            result[MAE] = float(np.abs(errors).mean())
        result["temperature"] = fit_temperature(sets, probabilities)
        if not np.isfinite(probabilities).all():  # where NaN would count as the largest
            return dict.fromkeys(result, np.nan)
        return result
