# Mirror image, and Gaussian noise of 2 to 10 % of the range of values.
# Stands in place of the data block, which it extends.

_base_ = ["../data/mask_faces.py"]

augmentations = [
    dict(type="RandomFlip", prob=0.5, direction="horizontal"),
    dict(
        type="SeededAlbumentations",
        transforms=[
            dict(type="GaussNoise", std_range=(0.02, 0.1), p=0.5),
        ],
    ),
]
