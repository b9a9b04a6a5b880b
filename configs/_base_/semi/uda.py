# UDA (Xie et al., 2020): supervised loss, and KL divergence between two views of unlabelled photos.

semi = dict(
    photos="eval",  # unlabelled: eval (test photos, without labels), a folder, or a samples table
    ratio=1,  # unlabelled photos for each labelled one; the paper's 5 to 15 cost as much more
    num_workers=4,
    annealing=None,  # or linear, log, exp: leaves out labelled photos known well already
    weak=[dict(type="RandomFlip", prob=0.5, direction="horizontal")],
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
        type="UDAConsistency",
        weight=1.0,  # beside the supervised loss
        temperature=0.4,  # sharpens the weak view; the paper's
        threshold=0.8,  # confidence of the weak view; the paper's on CIFAR-10
        ramp=0.3,  # share of the training over which the weight rises
    ),
)
