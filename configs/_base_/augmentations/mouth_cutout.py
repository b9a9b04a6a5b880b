# Mirror image, and the region of the mouth hidden; hurt source E.
# Stands in place of the data block, which it extends.

_base_ = ["../data/mask_faces.py"]

augmentations = [
    dict(type="RandomFlip", prob=0.5, direction="horizontal"),
    dict(type="MouthCutout", prob=0.5),
]
