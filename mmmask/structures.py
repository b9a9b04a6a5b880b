"""What travels with a batch of photos from the data workers through the model to the metric."""

from collections.abc import Sequence

import torch
from mmpretrain.structures import DataSample
from torch import Tensor
from torch.nn import functional

from mmmask.errors import InputError
from mmmask.labels import OLDEST, decode


class SampleBatch(DataSample):
    """The annotations and predictions of a whole batch as tensors, one object instead of N.

    It stands as the only element of ``data_samples``, so that MMEngine's runner, MMPretrain's
    classifier and the evaluator pass it on like any list of data samples.

    Shape:
        ``sample_idx``: (N,) int64, row of the photo in the dataset's samples table.
        ``gt_label``: (N,) int64, absent where labels are unknown.
        ``gt_score``: (N, 18) float, present after Mixup or CutMix.
        ``age``: (N,) int64 years, -1 where unknown; absent where nobody's is known.
        ``age_score``: (N, 121) float, share of each age in years, present after Mixup or CutMix.
        ``weight``: (N,) float32, weight of the photo in the loss; absent means 1.
        ``pred_score``: (N, 18) float32 probabilities; (N, 3) or (N, 2) of a model of one
            attribute, whose name is then the meta information ``attribute``.
        ``pred_years``: (N, 121) float32 probabilities of the ages 0 to 120, where modelled.
    """

    def pin_memory(self) -> "SampleBatch":
        """Return the batch in page-locked memory; torch's DataLoader asks for it by this name."""
        pinned = self.new()
        for name, value in self.items():
            pinned.set_field(value.pin_memory() if isinstance(value, Tensor) else value, name)
        return pinned

    def photos(self) -> list[DataSample]:
        """Return one data sample per photo, as MMPretrain's own models give them.

        ``pred_label`` is the most probable class; ``gt_label`` is in the terms of the prediction.
        """
        names = [name for name in self.keys() if name not in ("sample_idx", "gt_label")]
        photos = []
        for row, index in enumerate(self.sample_idx.tolist()):
            photo = DataSample(metainfo={**self.metainfo, "sample_idx": index})
            for name in names:
                value = self.get(name)[row]
                photo.set_field(value.reshape(1) if value.ndim == 0 else value, name)
            if "gt_label" in self:
                label = int(self.gt_label[row])
                attribute = self.get("attribute")
                photo.set_gt_label(label if attribute is None else int(decode(label)[attribute]))
            if "pred_score" in self:
                photo.set_pred_label(int(self.pred_score[row].argmax()))
            photos.append(photo)
        return photos


def stack_targets(data_samples: Sequence[DataSample]) -> Tensor:
    """Return the training target of the batch: (N,) labels, or (N, C) soft labels if mixed.

    Accepts one :class:`SampleBatch` or MMPretrain's list of N data samples.
    """
    if "gt_score" in data_samples[0]:
        return torch.cat([torch.atleast_2d(sample.gt_score) for sample in data_samples])
    return torch.cat([sample.gt_label for sample in data_samples])


def stack_ages(data_samples: Sequence[DataSample]) -> Tensor:
    """Return the share of each age in years in each photo, a row of zeros where it is unknown.

    An unmixed photo has a share of 1 at its age. Mixing two photos, one of unknown age, leaves
    the share of the known one; the rest of the row is missing.

    Shape:
        (N, 121), the ages 0 to 120.

    Raises:
        InputError: The photos have no ages, or were mixed without them.
    """
    sample = data_samples[0]
    if "age_score" in sample:
        return torch.cat([sample.age_score.reshape(-1, OLDEST + 1) for sample in data_samples])
    if "age" not in sample or "gt_score" in sample:
        raise InputError(
            "a model of years needs the photos' age in years (column age of the samples), "
            f"got {'mixed photos with unmixed ages' if 'age' in sample else 'none'}"
        )
    ages = torch.cat([torch.as_tensor(sample.age).reshape(-1) for sample in data_samples])
    shares = functional.one_hot(ages.clamp(0, OLDEST).long(), OLDEST + 1)
    return (shares * (ages >= 0)[:, None]).float()


def stack_weights(data_samples: Sequence[DataSample]) -> Tensor | None:
    """Return the photos' loss weights (N,), or None where all weigh 1."""
    if "weight" not in data_samples[0]:
        return None
    return torch.cat([torch.as_tensor(sample.weight).reshape(-1) for sample in data_samples])
