# SGD with momentum, a short warm-up and a cosine to nearly 0 (He et al., 2019, "Bag of Tricks").

train_cfg = dict(by_epoch=True, max_epochs=20, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type="AsyncOptimWrapper",
    optimizer=dict(type="SGD", lr=0.01, momentum=0.9, weight_decay=5e-4, nesterov=True),
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
