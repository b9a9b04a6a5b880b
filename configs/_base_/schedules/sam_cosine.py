# SAM (Foret et al., 2021) on SGD with momentum: each step costs two, and seeks flat minima.

train_cfg = dict(by_epoch=True, max_epochs=20, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type="SAMOptimWrapper",
    rho=0.05,  # radius of the neighbourhood, as in the paper
    optimizer=dict(type="SGD", lr=0.01, momentum=0.9, weight_decay=5e-4),
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
