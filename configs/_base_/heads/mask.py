# The state of the mask alone.

head = dict(
    type="AttributeHead",
    attribute="mask",
    dropout=0.2,
    loss=dict(type="WeightedCrossEntropyLoss", num_classes=3, class_weight=None),
)
