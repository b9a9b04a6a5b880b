# Three classifiers, but age a number in years with a Laplace distribution around it.

head = dict(
    type="DecomposedHead",
    dropout=0.2,
    losses=dict(
        mask=dict(type="WeightedCrossEntropyLoss", num_classes=3),
        gender=dict(type="WeightedCrossEntropyLoss", num_classes=2),
    ),
    age=dict(
        type="RegressionAge",
        distribution="laplace",  # or "normal"
        scale="shared",  # fitted; "photo": the network gives each photo its own
        years=(10, 90),  # beyond 60: half of the distribution around a person of 60 is above
    ),
    loss_weights=dict(mask=1.0, gender=1.0, age=0.5),  # about 3.5 nats, most of them noise
)
