# Source C: rotation by up to 30 degrees, shift, scale, rotation, and noise.
# Stands in place of the data block, which it extends.

_base_ = ["../data/mask_faces.py"]

augmentations = [
    dict(type="RandomFlip", prob=0.5, direction="horizontal"),
    dict(
        type="SeededAlbumentations",
        transforms=[
            # 4: cv2.BORDER_REFLECT_101
            dict(type="Rotate", limit=30, border_mode=4, p=0.5),
            dict(
                type="Affine",  # Albumentations' name for ShiftScaleRotate today
                translate_percent=(-0.0625, 0.0625),  # of the width and of the height
                scale=(0.9, 1.1),
                keep_ratio=True,
                rotate=(-30, 30),  # degrees
                border_mode=4,
                p=0.5,
            ),
            dict(type="GaussNoise", std_range=(0.02, 0.1), p=0.5),
        ],
    ),
]
