"""Labelled photos and both views of the unlabelled ones, joined to one batch."""

from typing import Any

import torch
from mmpretrain.registry import MODELS

from mmmask.models.preprocessor import FacePreprocessor
from mmmask.structures import SampleBatch


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
            views = super().forward({"inputs": photos, "data_samples": [SampleBatch()]})
            prepared["inputs"] = torch.cat([prepared["inputs"], views["inputs"]])
        return prepared
