# Mirror image; photos drawn again in an epoch also rotated by up to 30 degrees.
# Stands in place of the data block, which it extends.

_base_ = ["../data/mask_faces.py"]

augmentations = [
    dict(type="RandomFlip", prob=0.5, direction="horizontal"),
    dict(
        type="RepeatedOnly",
        transforms=[
            dict(
                type="SeededAlbumentations",
                # 4: cv2.BORDER_REFLECT_101
                transforms=[dict(type="Rotate", limit=30, border_mode=4, p=1.0)],
            )
        ],
    ),
]
