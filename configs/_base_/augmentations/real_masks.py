# For photos that are taken or cut in other ways: mirror image; the face smaller, larger or off the
# centre; light, colour, blur, compression, noise.
# Stands in place of the data block, which it extends.

_base_ = ["../data/mask_faces.py"]

augmentations = [
    dict(type="RandomFlip", prob=0.5, direction="horizontal"),
    dict(
        type="SeededAlbumentations",
        transforms=[
            dict(
                type="OneOf",  # how the face lies in the photo; its chin mostly stays in
                transforms=[
                    dict(
                        type="Affine",  # a tight or a usual crop
                        scale=(0.8, 1.3),
                        translate_percent=dict(x=(-0.12, 0.12), y=(-0.15, 0.05)),
                        rotate=(-20, 20),  # degrees
                        shear=(-8, 8),
                        border_mode=4,  # cv2.BORDER_REFLECT_101
                    ),
                    dict(
                        type="Affine",  # no crop: the face is small; 1: cv2.BORDER_REPLICATE
                        scale=(0.4, 0.85),
                        translate_percent=(-0.2, 0.2),
                        rotate=(-20, 20),
                        border_mode=1,
                    ),
                ],
                p=0.8,
            ),
            dict(type="RandomBrightnessContrast", brightness_limit=0.2, contrast_limit=0.2, p=0.5),
            dict(type="RandomGamma", gamma_limit=(60, 160), p=0.3),  # percent
            # hue in turns of the colour wheel; the others as factors around 1
            dict(type="ColorJitter", brightness=0, contrast=0, saturation=0.5, hue=0.05, p=0.5),
            dict(type="ToGray", p=0.1),
            dict(
                type="OneOf",
                transforms=[
                    dict(type="GaussianBlur", blur_limit=(3, 9)),
                    dict(type="MotionBlur", blur_limit=(3, 9)),
                    dict(type="Downscale", scale_range=(0.2, 0.6)),
                ],
                p=0.4,
            ),
            dict(type="GaussNoise", std_range=(0.02, 0.1), p=0.2),
            dict(type="ImageCompression", quality_range=(20, 90), p=0.4),
        ],
    ),
]
