# Mirror image and RandAugment (Cubuk et al. 2020): two of 15 operations at random.
# Stands in place of the data block, which it extends.

_base_ = ["../data/mask_faces.py"]

augmentations = [
    dict(type="RandomFlip", prob=0.5, direction="horizontal"),
    dict(
        type="RandAugment",
        policies="timm_increasing",
        num_policies=2,
        magnitude_level=6,  # of 10; the paper took 9 of 30 for EfficientNet-B7
        magnitude_std=0.5,
        hparams=dict(pad_val=[104, 116, 124], interpolation="bilinear"),  # BGR, of ImageNet
    ),
]
