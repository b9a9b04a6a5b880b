# UDA (Xie et al., 2020): supervised loss, and KL divergence between two views of unlabelled photos.

_base_ = ["strong_view.py"]

semi = dict(
    ratio=1,  # unlabelled photos for each labelled one; the paper's 5 to 15 cost as much more
    weak=[dict(type="RandomFlip", prob=0.5, direction="horizontal")],
    consistency=dict(
        type="UDAConsistency",
        weight=1.0,  # beside the supervised loss
        temperature=0.4,  # sharpens the weak view; the paper's
        threshold=0.8,  # confidence of the weak view; the paper's on CIFAR-10
        ramp=0.3,  # share of the training over which the weight rises
    ),
)
