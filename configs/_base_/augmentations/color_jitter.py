# Mirror image, and brightness, contrast, saturation and hue by chance.
# MMPretrain has a ColorJitter that fails under numpy 2 where hue is above 0.
# Stands in place of the data block, which it extends.

_base_ = ["../data/mask_faces.py"]

augmentations = [
    dict(type="RandomFlip", prob=0.5, direction="horizontal"),
    dict(
        type="SeededAlbumentations",
        transforms=[
            # hue in turns of the colour wheel; the others as factors around 1
            dict(type="ColorJitter", brightness=0.2, contrast=0.2, saturation=0.2, hue=0.05, p=0.8),
        ],
    ),
]
