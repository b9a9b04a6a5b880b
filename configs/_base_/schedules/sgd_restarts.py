# SGD with cosine annealing and warm restarts (Loshchilov and Hutter, 2017), as source B used it.

train_cfg = dict(by_epoch=True, max_epochs=15, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type="AsyncOptimWrapper",
    optimizer=dict(type="SGD", lr=0.01, momentum=0.9, weight_decay=5e-4),
    clip_grad=dict(max_norm=5.0),
)
param_scheduler = [
    dict(
        type="CosineRestartLR",
        periods=[5, 10, 20, 40, 80],
        restart_weights=[1.0] * 5,
        eta_min=1e-5,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
