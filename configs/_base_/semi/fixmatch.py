# FixMatch (Sohn et al., 2020): the strong view learns the class that the weak view is sure of.

_base_ = ["strong_view.py"]

semi = dict(
    ratio=1,  # unlabelled photos for each labelled one; the paper's 7 costs as much more
    weak=[
        dict(type="RandomFlip", prob=0.5, direction="horizontal"),
        # Shifted by up to 1/8 each way, as the paper has it.
        dict(
            type="Translate",
            magnitude_range=(0, 0.125),
            magnitude_std="inf",  # uniform
            direction="horizontal",
            prob=1.0,
        ),
        dict(
            type="Translate",
            magnitude_range=(0, 0.125),
            magnitude_std="inf",  # uniform
            direction="vertical",
            prob=1.0,
        ),
    ],
    consistency=dict(
        type="FixMatchConsistency",
        weight=1.0,  # beside the supervised loss; the paper's
        threshold=0.95,  # confidence of the weak view; the paper's on CIFAR-10
        ramp=0.0,  # the paper has none
    ),
)
