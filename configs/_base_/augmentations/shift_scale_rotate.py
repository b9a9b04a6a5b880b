# Mirror image, and shift, scale and rotation in one, as sources C and E used it.
# Stands in place of the data block, which it extends.

_base_ = ["../data/mask_faces.py"]

augmentations = [
    dict(type="RandomFlip", prob=0.5, direction="horizontal"),
    dict(
        type="SeededAlbumentations",
        transforms=[
            dict(
                type="Affine",  # Albumentations' name for ShiftScaleRotate today
                translate_percent=(-0.0625, 0.0625),  # of the width and of the height
                scale=(0.9, 1.1),
                keep_ratio=True,
                rotate=(-45, 45),  # degrees
                border_mode=4,  # cv2.BORDER_REFLECT_101
                p=0.5,
            ),
        ],
    ),
]
