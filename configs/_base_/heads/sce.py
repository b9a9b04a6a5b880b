# Symmetric cross-entropy (Wang et al., 2019), for labels that are partly wrong.

head = dict(
    type="MaskLinearHead",
    dropout=0.2,
    loss=dict(
        type="SymmetricCrossEntropyLoss",
        alpha=0.1,  # of the cross-entropy, which follows wrong labels; the paper's for CIFAR-10
        beta=1.0,  # of the reverse cross-entropy, which is bounded
        log_zero=-4.0,
        class_weight=None,
    ),
)
