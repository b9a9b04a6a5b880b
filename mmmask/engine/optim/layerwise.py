"""Learning rates that grow with depth, for fine-tuning any backbone."""

from mmengine.optim import DefaultOptimWrapperConstructor
from mmpretrain.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

from mmmask.errors import InputError
from mmmask.models.layers import depths


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LayerwiseRateConstructor(DefaultOptimWrapperConstructor):
    """Give layer d of D the learning rate ``lr * first_layer_lr_mult ** (1 - d / D)``.

    The head, at depth D, learns at ``lr``. This is the layer-wise decay of BEiT and MAE,
    ``decay ** (D - d)``, with its strength stated independently of how many layers there are:
    ``first_layer_lr_mult = decay ** D``, so that one value serves every backbone. On ViT, Swin,
    ConvNeXt and ResNet-50 the rates are those of MMPretrain's constructor, which has no others.

    Options of ``paramwise_cfg``, beside those of MMEngine:
        first_layer_lr_mult: Rate of the first layer relative to the head's, above 0 and at most
            1. BEiT's decay of 0.75 is 0.024 for a ViT-B.
    """

    def add_params(
        self, params: list[dict], module: nn.Module, prefix: str = "", **kwargs: object
    ) -> None:
        """Append one group of parameters for each rate and weight decay."""
        super().add_params(params, module, prefix, **kwargs)
        if prefix:
            return  # only the whole model is complete
        first = self.paramwise_cfg.get("first_layer_lr_mult", 1.0)
        if not 0 < first <= 1:
            raise InputError(
                "optim_wrapper.paramwise_cfg.first_layer_lr_mult must be above 0 and at most 1; "
                f"got {first}"
            )
        by_name, head = depths(module.backbone)
        named = dict(module.backbone.named_parameters())
        depth_of = {named[name]: depth for name, depth in by_name.items()}
        groups: dict[tuple, dict] = {}
        for group in params:
            (weight,) = group.pop("params")
            rate = first ** (1 - depth_of.get(weight, head) / head)
            group["lr"] = group.get("lr", self.base_lr) * rate
            key = tuple(sorted(group.items()))
            groups.setdefault(key, {**group, "params": []})["params"].append(weight)
        params[:] = groups.values()
