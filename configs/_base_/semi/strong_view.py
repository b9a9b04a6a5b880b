# What methods of consistency share: where unlabelled photos come from, and their strong view.

semi = dict(
    photos="eval",  # unlabelled: eval (test photos, without labels), a folder, or a samples table
    num_workers=4,
    annealing=None,  # or linear, log, exp: leaves out labelled photos known well already
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
)
