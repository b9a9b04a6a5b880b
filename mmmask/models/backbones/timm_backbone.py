"""Networks of timm, started from timm's own files of weights."""

from collections.abc import Mapping, Sequence
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
        out_indices: Stages, as timm counts them from 0 in ``feature_info``, whose maps come before
            the last one.
        init_cfg: None, or ``dict(type="Pretrained", checkpoint=...)``.
        **options: Options of that network, such as ``drop_path_rate``.

    Shape:
        (N, 3, H, W) -> a tuple of maps, the last one (N, D, H / 32, W / 32) for convolutional
        networks.

    Raises:
        InputError: timm is not installed, or it has no such network or stage.
    """

    def __init__(
        self,
        model_name: str,
        *,
        out_indices: Sequence[int] = (),
        init_cfg: dict | None = None,
        **options: Any,
    ) -> None:
        require(f"backbone {model_name}", "timm")
        import timm

        if not timm.is_model(model_name):
            raise InputError(f"backbone.model_name must be a network of timm; got {model_name!r}")
        super().__init__(model_name, **options)
        taps = hasattr(self.timm_model, "forward_intermediates")
        stages = len(self.timm_model.feature_info) if taps else 0
        if list(out_indices) != sorted(set(out_indices) & set(range(stages))):
            raise InputError(
                f"backbone.out_indices must be ascending stages of {model_name}, which has "
                f"{stages}, counted from 0; got {out_indices}"
            )
        self.out_indices = list(out_indices)
        self.weights = None if init_cfg is None else init_cfg["checkpoint"]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        if not self.out_indices:
            return super().forward(x)
        last, maps = self.timm_model.forward_intermediates(x, indices=self.out_indices)
        return (*maps, self.timm_model.forward_head(last))

    def init_weights(self) -> None:
        """Fill in the weights of the file, where the config names one."""
        super().init_weights()
        if self.weights is not None:
            content = CheckpointLoader.load_checkpoint(
                self.weights, map_location="cpu", logger="silent"
            )
            self.load_state_dict(self.own_weights(content), strict=False)

    def own_weights(self, content: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return the weights of a file under our names, of timm or of a checkpoint of ours."""
        state = content.get("state_dict", content)
        ours = {
            name.removeprefix("backbone."): value
            for name, value in state.items()
            if name.startswith("backbone.timm_model.")
        }
        if ours:
            return ours
        if "_conv_stem.weight" in state:  # of EfficientNet-PyTorch: the same order, other names
            # zip: of ours, the classifier is missing at the end
            return dict(zip(self.state_dict(), state.values(), strict=False))
        return {f"timm_model.{name.removeprefix('module.')}": state[name] for name in state}
