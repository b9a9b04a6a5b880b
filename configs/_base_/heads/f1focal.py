# 0.4 soft macro F1 + 0.6 focal loss, as public solutions of the task mix them.

head = dict(
    type="MaskLinearHead",
    dropout=0.2,
    loss=dict(
        type="LossMix",
        losses=dict(
            f1=dict(type="SoftMacroF1Loss"),
            focal=dict(type="SoftmaxFocalLoss", gamma=2.0, class_weight=None),
        ),
        loss_weights=dict(f1=0.4, focal=0.6),
    ),
)
