# Three classifiers, but age a number in years with a Laplace distribution around it.

_base_ = ["decomposed_shared.py"]

head = dict(
    age=dict(
        type="RegressionAge",
        distribution="laplace",  # or "normal"
        scale="shared",  # fitted; "photo": the network gives each photo its own
        years=(10, 90),  # beyond 60: half of the distribution around a person of 60 is above
    ),
    loss_weights=dict(age=0.5),  # about 3.5 nats, most of them noise
)
