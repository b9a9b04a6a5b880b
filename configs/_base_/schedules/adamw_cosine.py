# AdamW (Loshchilov and Hutter, 2019) with a short warm-up and a cosine to nearly 0.

train_cfg = dict(by_epoch=True, max_epochs=20, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type="AsyncOptimWrapper",
    optimizer=dict(type="AdamW", lr=3e-4, weight_decay=0.01, fused=True),
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
