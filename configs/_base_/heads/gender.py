# Gender alone.

head = dict(
    type="AttributeHead",
    attribute="gender",
    dropout=0.2,
    loss=dict(type="WeightedCrossEntropyLoss", num_classes=2, class_weight=None),
)
