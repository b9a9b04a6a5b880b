# SGD with momentum, a short warm-up and a cosine to nearly 0 (He et al., 2019, "Bag of Tricks").

_base_ = ["adamw_cosine.py"]

optim_wrapper = dict(
    optimizer=dict(
        _delete_=True, type="SGD", lr=0.01, momentum=0.9, weight_decay=5e-4, nesterov=True
    ),
)
