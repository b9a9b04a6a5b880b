"""A network with a backbone of several layers, for what treats layers by their depth."""

from typing import Any

from mmengine.model import BaseModel
from mmpretrain.registry import MODELS
from tiny_engine import TinyHead
from torch import Tensor, nn
from torch.nn import functional


@MODELS.register_module()
class LayeredNet(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 8, 3),
            nn.BatchNorm2d(8),
            nn.Sequential(nn.ReLU(), nn.Dropout(0.3), nn.Conv2d(8, 8, 3, bias=False)),
            nn.BatchNorm2d(8),
        )
        self.head = TinyHead()

    def forward(self, inputs: Tensor, labels: Tensor, mode: str = "tensor") -> Any:
        logits = self.head.linear(self.backbone(inputs).relu().mean((2, 3)))
        if mode == "loss":
            return {"loss": functional.cross_entropy(logits, labels)}
        return list(zip(logits / self.head.temperature, labels, strict=True))
