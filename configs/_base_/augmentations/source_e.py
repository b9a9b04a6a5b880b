# Source E: geometry, light and blur by Albumentations, in the strengths that it proposes.
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
            dict(type="RandomBrightnessContrast", p=0.5),
            dict(type="HueSaturationValue", p=0.3),
            dict(
                type="OneOf",
                transforms=[
                    dict(type="GaussNoise", std_range=(0.02, 0.1)),
                    dict(type="GaussianBlur", blur_limit=(3, 5)),
                    dict(type="MotionBlur", blur_limit=(3, 5)),
                ],
                p=0.3,
            ),
            dict(type="CLAHE", clip_limit=(1, 4), p=0.2),
        ],
    ),
]
