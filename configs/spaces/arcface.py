r"""Learning rate, margin, class weights and dropout of an ArcFace config.

    python tools/sweep.py configs/mobilenet_v2_arcface.py --space configs/spaces/arcface.py \
        --trials 30

A name is that of a value in the config; its range must hold the value that the config has, which
the sweep is measured against. `log=True` draws evenly on a logarithmic scale, `type="int"` whole
numbers.
"""

space = {
    "optim_wrapper.optimizer.lr": dict(type="float", low=1e-4, high=3e-3, log=True),
    "optim_wrapper.optimizer.weight_decay": dict(type="float", low=1e-4, high=0.1, log=True),
    "head.margin": dict(type="float", low=0.0, high=0.4),  # radians
    "head.dropout": dict(type="float", low=0.0, high=0.5),
    "head.loss.class_weight": dict(
        type="categorical", choices=[None, "inverse", "effective_number"]
    ),
}
