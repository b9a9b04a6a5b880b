# Softmax focal loss (Lin et al., 2017) with class weights 1 - n_c / n from the training split.

head = dict(
    type="MaskLinearHead",
    dropout=0.4,
    loss=dict(type="SoftmaxFocalLoss", gamma=2.0, class_weight="one_minus_share"),
)
