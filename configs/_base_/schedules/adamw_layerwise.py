# AdamW with rates that grow with depth (Bao et al., 2022, "BEiT"): for fine-tuning any backbone.

_base_ = ["adamw_cosine.py"]

optim_wrapper = dict(
    constructor="LayerwiseRateConstructor",
    paramwise_cfg=dict(
        first_layer_lr_mult=0.05,  # rate of the first layer relative to the head's
        norm_decay_mult=0.0,
        bias_decay_mult=0.0,
    ),
)
