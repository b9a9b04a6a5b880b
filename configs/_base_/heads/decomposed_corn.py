# Three classifiers, that of age CORN: thresholds asked of those who passed the one before.

head = dict(
    type="DecomposedHead",
    dropout=0.2,
    losses=dict(
        mask=dict(type="WeightedCrossEntropyLoss", num_classes=3),
        gender=dict(type="WeightedCrossEntropyLoss", num_classes=2),
    ),
    age=dict(
        type="CornAge",
        years=(18, 60),  # the competition's ages; others count as the nearer of the two
        step=1,  # years between thresholds
    ),
    # The loss of age is a mean over questions; each photo is asked about 20 of them.
    loss_weights=dict(mask=1.0, gender=1.0, age=10.0),
)
