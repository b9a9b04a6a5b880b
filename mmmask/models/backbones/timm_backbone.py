"""Networks of timm, started from timm's own files of weights."""

from collections.abc import Mapping
from typing import Any

from mmengine.runner import CheckpointLoader
from mmpretrain.models.backbones import TIMMBackbone
from mmpretrain.registry import MODELS
from torch import Tensor

from mmmask.errors import InputError
from mmmask.packages import require


@MODELS.register_module()
class TimmBackbone(TIMMBackbone):
    """MMPretrain's wrapper of timm, which also reads files with timm's own names of weights.

    The wrapper gives the feature map before pooling, so a config adds ``GlobalAveragePooling``.
    timm's downloads are not used: ``pretrained`` of a config names a file or an address, as for
    any other backbone.

    Args:
        model_name: As ``timm.create_model`` knows it.
        init_cfg: None, or ``dict(type="Pretrained", checkpoint=...)``.
        **options: Options of that network, such as ``drop_path_rate``.

    Shape:
        (N, 3, H, W) -> one map (N, D, H / 32, W / 32), for convolutional networks.

    Raises:
        InputError: timm is not installed, or it has no such network.
    """

    def __init__(self, model_name: str, *, init_cfg: dict | None = None, **options: Any) -> None:
        require(f"backbone {model_name}", "timm")
        import timm

        if not timm.is_model(model_name):
            raise InputError(f"backbone.model_name must be a network of timm, got {model_name!r}")
        super().__init__(model_name, **options)
        self.weights = None if init_cfg is None else init_cfg["checkpoint"]

    def init_weights(self) -> None:
        """Fill in the weights of the file, where the config names one."""
        super().init_weights()
        if self.weights is not None:
            content = CheckpointLoader.load_checkpoint(
                self.weights, map_location="cpu", logger="silent"
            )
            self.load_state_dict(self.own_weights(content), strict=False)

    def own_weights(self, content: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return the weights of a file of timm, or of a checkpoint of ours, under our names."""
        state = content.get("state_dict", content)
        ours = {
            name.removeprefix("backbone."): value
            for name, value in state.items()
            if name.startswith("backbone.timm_model.")
        }
        return ours or {f"timm_model.{name.removeprefix('module.')}": state[name] for name in state}
