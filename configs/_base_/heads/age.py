# Age alone, as three groups.

head = dict(
    type="AttributeHead",
    attribute="age",
    dropout=0.2,
    loss=dict(type="WeightedCrossEntropyLoss", num_classes=3, class_weight=None),
)
