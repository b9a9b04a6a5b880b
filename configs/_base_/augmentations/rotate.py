# Mirror image, and rotation by up to 30 degrees with the border filled by reflection.
# Stands in place of the data block, which it extends.

_base_ = ["../data/mask_faces.py"]

augmentations = [
    dict(type="RandomFlip", prob=0.5, direction="horizontal"),
    dict(
        type="SeededAlbumentations",
        transforms=[
            # 4: cv2.BORDER_REFLECT_101
            dict(type="Rotate", limit=30, border_mode=4, p=0.5),
        ],
    ),
]
