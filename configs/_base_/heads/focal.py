# Softmax focal loss (Lin et al., 2017) with class weights 1 - n_c / n from the training split.

head = dict(
    type="MaskLinearHead",
    dropout=0.4,
    # Kaiming-uniform, as source B started its head; its final ReLU is final_relu=True.
    init_cfg=dict(type="Kaiming", layer="Linear", distribution="uniform", mode="fan_in"),
    loss=dict(type="SoftmaxFocalLoss", gamma=2.0, class_weight="one_minus_share"),
)
