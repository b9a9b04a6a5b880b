# Mirror image, and each side cropped by up to 15 %, then resized to the size before.
# Stands in place of the data block, which it extends.

_base_ = ["../data/mask_faces.py"]

augmentations = [
    dict(type="RandomFlip", prob=0.5, direction="horizontal"),
    dict(
        type="SeededAlbumentations",
        transforms=[
            dict(type="CropAndPad", percent=(-0.15, 0.0), sample_independently=True, p=0.8),
        ],
    ),
]
