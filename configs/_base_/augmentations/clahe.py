# Mirror image, and contrast equalised in tiles (CLAHE, Zuiderveld 1994).
# Stands in place of the data block, which it extends.

_base_ = ["../data/mask_faces.py"]

augmentations = [
    dict(type="RandomFlip", prob=0.5, direction="horizontal"),
    dict(
        type="SeededAlbumentations",
        transforms=[
            dict(type="CLAHE", clip_limit=(1, 4), tile_grid_size=(8, 8), p=0.5),
        ],
    ),
]
