# SGD for stochastic weight averaging (Izmailov et al., 2018): a cosine to half the rate, which
# then stays, so that averaging/swa.py has different weights to average.

train_cfg = dict(by_epoch=True, max_epochs=20, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type="AsyncOptimWrapper",
    optimizer=dict(type="SGD", lr=0.01, momentum=0.9, weight_decay=5e-4),
    clip_grad=dict(max_norm=5.0),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, end=0.5, by_epoch=True, convert_to_iter_based=True),
    dict(
        type="CosineAnnealingLR",
        begin=0.5,
        end=15,  # the epoch before averaging begins
        eta_min_ratio=0.5,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
