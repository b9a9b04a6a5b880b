# What heads of three classifiers share: those of mask and gender. Each has its own for age.

head = dict(
    type="DecomposedHead",
    dropout=0.2,
    losses=dict(
        mask=dict(type="WeightedCrossEntropyLoss", num_classes=3),
        gender=dict(type="WeightedCrossEntropyLoss", num_classes=2),
    ),
    loss_weights=dict(mask=1.0, gender=1.0, age=1.0),
)
