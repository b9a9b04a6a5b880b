# FixMatch (Sohn et al., 2020): the strong view learns the class that the weak view is sure of.

semi = dict(
    photos="eval",  # unlabelled: eval (test photos, without labels), a folder, or a samples table
    ratio=1,  # unlabelled photos for each labelled one; the paper's 7 costs as much more
    num_workers=4,
    annealing=None,  # or linear, log, exp: leaves out labelled photos known well already
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
    strong=[
        dict(type="RandomFlip", prob=0.5, direction="horizontal"),
        dict(
            type="RandAugment",
            policies="timm_increasing",
            num_policies=2,
            magnitude_level=9,  # of 10
            magnitude_std=0.5,
            hparams=dict(pad_val=(128, 128, 128), interpolation="bilinear"),
        ),
        dict(
            type="RandomErasing",
            erase_prob=1.0,
            mode="const",
            fill_color=(128, 128, 128),
            min_area_ratio=0.02,  # of the photo
            max_area_ratio=0.2,
        ),
    ],
    consistency=dict(
        type="FixMatchConsistency",
        weight=1.0,  # beside the supervised loss; the paper's
        threshold=0.95,  # confidence of the weak view; the paper's on CIFAR-10
        ramp=0.0,  # the paper has none
    ),
)
