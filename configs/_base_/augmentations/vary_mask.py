# Mirror image, and masks of other colours, patterns and folds.
# Stands in place of the data block, which it extends.

_base_ = ["../data/mask_faces.py"]

augmentations = [
    dict(type="RandomFlip", prob=0.5, direction="horizontal"),
    dict(type="VaryMask", prob=0.7),
]
