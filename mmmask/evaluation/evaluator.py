"""The evaluator between a model that answers in batches and metrics that know single photos."""

from collections.abc import Sequence
from typing import Any

from mmengine.evaluator import BaseMetric, Evaluator

from mmmask.evaluation.metric import MaskFaceMetric
from mmmask.structures import SampleBatch


class PhotoEvaluator(Evaluator):
    """Hand every metric but :class:`MaskFaceMetric`, which takes batches, one dict per photo.

    So MMPretrain's own metrics count photos, and the results that its ``test.py --out`` writes
    are what its analysis tools read.
    """

    def process(self, data_samples: Sequence[Any], data_batch: Any | None = None) -> None:
        """Pass predictions on to the metrics."""
        if not isinstance(data_samples[0], SampleBatch) or all(map(_takes_batches, self.metrics)):
            super().process(data_samples, data_batch)
            return
        batches = [batch.to_dict() for batch in data_samples]
        photos = [photo.to_dict() for batch in data_samples for photo in batch.photos()]
        for metric in self.metrics:
            metric.process(data_batch, batches if _takes_batches(metric) else photos)


def _takes_batches(metric: BaseMetric) -> bool:
    return isinstance(metric, MaskFaceMetric)
