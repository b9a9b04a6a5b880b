# Three classifiers on one feature (mask, gender, age), whose product is the joint distribution.

head = dict(
    type="DecomposedHead",
    dropout=0.2,
    losses=dict(
        mask=dict(type="WeightedCrossEntropyLoss", num_classes=3),
        gender=dict(type="WeightedCrossEntropyLoss", num_classes=2),
        age=dict(type="WeightedCrossEntropyLoss", num_classes=3),
    ),
    loss_weights=dict(mask=1.0, gender=1.0, age=1.0),
)
