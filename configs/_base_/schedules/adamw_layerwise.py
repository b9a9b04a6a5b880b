# AdamW with rates that grow with depth (Bao et al., 2022, "BEiT"): for fine-tuning any backbone.

train_cfg = dict(by_epoch=True, max_epochs=20, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type="AsyncOptimWrapper",
    optimizer=dict(type="AdamW", lr=3e-4, weight_decay=0.01, fused=True),
    constructor="LayerwiseRateConstructor",
    paramwise_cfg=dict(
        first_layer_lr_mult=0.05,  # rate of the first layer relative to the head's
        norm_decay_mult=0.0,
        bias_decay_mult=0.0,
    ),
    clip_grad=dict(max_norm=5.0),
)
# Each scheduler without `end` runs until the last epoch.
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, end=0.5, by_epoch=True, convert_to_iter_based=True),
    dict(
        type="CosineAnnealingLR",
        begin=0.5,
        eta_min_ratio=0.001,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
