# One linear layer, class-weighted cross-entropy.

head = dict(
    type="MaskLinearHead",
    dropout=0.2,
    loss=dict(type="WeightedCrossEntropyLoss", class_weight=None),
)
