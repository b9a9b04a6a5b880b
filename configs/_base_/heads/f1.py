# Soft macro F1 of the batch as the loss: the score itself, with probabilities for decisions.

head = dict(
    type="MaskLinearHead",
    dropout=0.2,
    loss=dict(type="SoftMacroF1Loss"),
)
