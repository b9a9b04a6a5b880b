# Three classifiers, that of age a softmax over years with Gaussian soft labels (DLDL).

head = dict(
    type="DecomposedHead",
    dropout=0.2,
    losses=dict(
        mask=dict(type="WeightedCrossEntropyLoss", num_classes=3),
        gender=dict(type="WeightedCrossEntropyLoss", num_classes=2),
    ),
    age=dict(
        type="LabelDistributionAge",
        sigma=3.0,  # years
        years=(10, 90),  # beyond 60: half of the soft label of a person of 60 is above
    ),
    loss_weights=dict(mask=1.0, gender=1.0, age=1.0),
)
