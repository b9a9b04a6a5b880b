# Three classifiers, that of age CORAL: one score against thresholds over years.

head = dict(
    type="DecomposedHead",
    dropout=0.2,
    losses=dict(
        mask=dict(type="WeightedCrossEntropyLoss", num_classes=3),
        gender=dict(type="WeightedCrossEntropyLoss", num_classes=2),
    ),
    age=dict(
        type="CoralAge",
        years=(18, 60),  # the competition's ages; others count as the nearer of the two
        step=1,  # years between thresholds
    ),
    # The loss of age is a sum over 42 thresholds, several nats.
    loss_weights=dict(mask=1.0, gender=1.0, age=0.05),
)
