# Mirror image, and the tiles of a grid in random order; helped a peer of source A.
# Stands in place of the data block, which it extends.

_base_ = ["../data/mask_faces.py"]

augmentations = [
    dict(type="RandomFlip", prob=0.5, direction="horizontal"),
    dict(
        type="SeededAlbumentations",
        transforms=[
            dict(type="RandomGridShuffle", grid=(3, 3), p=0.3),
        ],
    ),
]
