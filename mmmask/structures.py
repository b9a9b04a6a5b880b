"""What travels with a batch of photos from the data workers through the model to the metric."""

from collections.abc import Sequence

import torch
from mmpretrain.structures import DataSample
from torch import Tensor


class SampleBatch(DataSample):
    """The annotations and predictions of a whole batch as tensors, one object instead of N.

    It stands as the only element of ``data_samples``, so that MMEngine's runner, MMPretrain's
    classifier and the evaluator pass it on like any list of data samples.

    Shape:
        ``sample_idx``: (N,) int64, row of the photo in the dataset's samples table.
        ``gt_label``: (N,) int64, absent where labels are unknown.
        ``gt_score``: (N, 18) float, present after Mixup or CutMix.
        ``weight``: (N,) float32, weight of the photo in the loss; absent means 1.
        ``pred_score``: (N, 18) float32 probabilities.
    """

    def pin_memory(self) -> "SampleBatch":
        """Return the batch in page-locked memory; torch's DataLoader asks for it by this name."""
        pinned = self.new()
        for name, value in self.items():
            pinned.set_field(value.pin_memory() if isinstance(value, Tensor) else value, name)
        return pinned


def stack_targets(data_samples: Sequence[DataSample]) -> Tensor:
    """Return the training target of the batch: (N,) labels, or (N, C) soft labels if mixed.

    Accepts one :class:`SampleBatch` or MMPretrain's list of N data samples.
    """
    if "gt_score" in data_samples[0]:
        return torch.cat([torch.atleast_2d(sample.gt_score) for sample in data_samples])
    return torch.cat([sample.gt_label for sample in data_samples])


def stack_weights(data_samples: Sequence[DataSample]) -> Tensor | None:
    """Return the photos' loss weights (N,), or None where all weigh 1."""
    if "weight" not in data_samples[0]:
        return None
    return torch.cat([torch.as_tensor(sample.weight).reshape(-1) for sample in data_samples])
