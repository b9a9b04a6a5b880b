"""From a uint8 batch to the network's input, on the device."""

from collections.abc import Sequence
from typing import Any

import cv2
import torch
from mmpretrain.models import ClsDataPreprocessor
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor

from mmmask.errors import InputError
from mmmask.labels import NUM_CLASSES
from mmmask.models.device_augment import DeviceAugment
from mmmask.models.losses.reduction import as_distribution
from mmmask.structures import drop, put, stack_ages, stack_targets, stack_weights, stacked


@MODELS.register_module()
class FacePreprocessor(ClsDataPreprocessor):
    """Move, normalise and, in training, augment and mix a batch, or a list of photos.

    Args:
        mean: Per channel, RGB, on the scale 0 to 255.
        std: Likewise, above 0.
        device_augment: Options of ``DeviceAugment``; None leaves augmentation to the pipeline.
        batch_augments: MMPretrain's ``RandomBatchAugment`` options, e.g. for Mixup and CutMix.
        num_classes: C, of the labels that are mixed.
    """

    num_classes: int

    def __init__(
        self,
        *,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        device_augment: dict | None = None,
        batch_augments: dict | None = None,
        num_classes: int = NUM_CLASSES,
    ) -> None:
        if not min(std) > 0:
            raise InputError(f"preprocessing.std must be above 0 in each channel; got {tuple(std)}")
        super().__init__(
            mean=mean,
            std=std,
            to_rgb=True,
            to_onehot=batch_augments is not None,
            num_classes=num_classes,
            batch_augments=batch_augments,
        )
        self.device_augment = None if device_augment is None else DeviceAugment(**device_augment)

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Return ``inputs``, (N, 3, H, W) float32 RGB and channels last, and ``data_samples``."""
        samples = self.cast_data(data.get("data_samples"))
        if isinstance(data["inputs"], Tensor):
            inputs = normalized(self.cast_data(data["inputs"]), self.mean, self.std)
        else:  # of any sizes
            inputs = super().forward({"inputs": data["inputs"]})["inputs"]
        if training and self.device_augment is not None:
            inputs = self.device_augment(inputs)
        if training and self.batch_augments is not None:
            inputs = self._mix(inputs, samples)
        return {"inputs": inputs, "data_samples": samples}

    def _mix(self, inputs: Tensor, samples: Sequence[DataSample]) -> Tensor:
        """Mix photos, labels, ages and weights alike; the samples change accordingly.

        Where photos are partly known, what is known of them cannot be mixed: the samples get the
        ``shares`` of the photos instead, from which heads make the mix of the losses.

        Soft labels of a teacher are mixed as hard ones are. Augments mix scores linearly. So
        weighted labels go in, and what comes out is ``lambda w_i y_i + (1 - lambda) w_j y_j``: its
        sum over the classes is the weight of the mixed photo, whose loss is then the mean of the
        two photos' own weighted losses.
        """
        target, weights = stack_targets(samples), stack_weights(samples)
        scores = as_distribution(target, num_classes=self.num_classes, dtype=torch.float32)
        if any(stacked(samples, name) is not None for name in ("fits", "age_span")):
            return self._mix_marks(inputs, samples, scores)
        aged = any(stacked(samples, name) is not None for name in ("age", "age_score"))
        if aged:
            # Side by side, so that both are mixed by the same shares; ages so small that the
            # largest score still tells the class, of which it is 1 / 18 at least.
            scores = torch.cat([scores, stack_ages(samples) / 32], dim=1)  # (N, 18 + 121)
        if weights is not None:  # a photo of weight 0 keeps its class
            scores = scores * weights.float().clamp_min(1e-12)[:, None]
        inputs, mixed = self.batch_augments(inputs, scores)
        labels, ages = mixed[:, : self.num_classes], mixed[:, self.num_classes :]
        weight = labels.sum(dim=1, keepdim=True)  # 1 where photos have none
        put(samples, "gt_score", labels / weight)
        if aged:
            put(samples, "age_score", 32 * ages / weight)
        if weights is not None:
            put(samples, "weight", weight[:, 0])
        drop(samples, "person")  # a mixed photo shows two
        return inputs

    def _mix_marks(self, inputs: Tensor, samples: Sequence[DataSample], scores: Tensor) -> Tensor:
        """Mix photos, and marks of them, whose mixes are the shares."""
        # Where several classes fit, the mark is the largest score: an augment that looks for a
        # photo of the same class finds none.
        scores = scores * (scores.sum(dim=1, keepdim=True) < 1.5)
        marks = torch.eye(len(inputs), device=scores.device) / 32
        inputs, mixed = self.batch_augments(inputs, torch.cat([scores, marks], dim=1))
        put(samples, "shares", 32 * mixed[:, self.num_classes :])
        drop(samples, "person")
        return inputs


@MODELS.register_module()
class SemiPreprocessor(FacePreprocessor):
    """Append weak and strong views to the network's input; the rest is :class:`FacePreprocessor`.

    Mixup and CutMix mix the labelled photos alone.

    Shape:
        ``data["unlabelled"]``: in training, a dict ``weak`` and ``strong`` of two times
        (U, 3, H, W) uint8 in BGR. ``inputs`` of the result: (N + 2 U, 3, H, W), labelled photos
        first, then the weak, then the strong views; ``data_samples`` are the labelled ones'.
    """

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Return ``inputs`` and ``data_samples``."""
        unlabelled = data.get("unlabelled")
        prepared = super().forward({k: v for k, v in data.items() if k != "unlabelled"}, training)
        if unlabelled is not None:
            photos = torch.cat([unlabelled["weak"], unlabelled["strong"]])
            views = super().forward({"inputs": photos})
            prepared["inputs"] = torch.cat([prepared["inputs"], views["inputs"]])
        return prepared


def normalized(photos: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Turn uint8 BGR photos into ``(RGB - mean) / std``.

    On a CPU the 256 possible values of a channel are looked up in a table of the same numbers:
    one pass over memory in place of four.

    Shape:
        ``photos``: (N, 3, H, W), channels last in memory; ``mean``, ``std``: (3, 1, 1). The
        result has the photos' layout.
    """
    tabled = photos.device.type == "cpu" and photos.dtype == torch.uint8 and photos.shape[1] == 3
    if not tabled or not photos.is_contiguous(memory_format=torch.channels_last):
        return photos.flip(1).float().sub_(mean).div_(std)
    count, _, height, width = photos.shape
    rows = photos.permute(0, 2, 3, 1).numpy().reshape(count * height, width, 3)
    table = torch.arange(256.0).sub(mean.flatten(1)).div(std.flatten(1))  # (3, 256)
    looked_up = cv2.LUT(cv2.cvtColor(rows, cv2.COLOR_BGR2RGB), table.t().contiguous().numpy()[None])
    return torch.from_numpy(looked_up).view(count, height, width, 3).permute(0, 3, 1, 2)
