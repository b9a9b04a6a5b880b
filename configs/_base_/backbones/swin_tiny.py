# Swin-T (Liu et al., 2021), ImageNet weights of MMPretrain's model zoo.

backbone = dict(
    type="SwinTransformer",
    arch="tiny",
    img_size=224,
    drop_path_rate=0.2,
    pad_small_map=True,  # lets photos be smaller than 224 pixels; changes nothing at 224
)
neck = dict(type="GlobalAveragePooling")
features = 768
pretrained = (
    "https://download.openmmlab.com/mmclassification/v0/swin-transformer/"
    "swin_tiny_224_b16x64_300e_imagenet_20210616_090925-66df6be6.pth"
)
preprocessing = dict(
    crop=(0.75, 1.0),  # central 3/4 of the height: a square of a 384x512 photo
    size=(224, 224),  # (height, width) in pixels
    mean=(123.675, 116.28, 103.53),  # RGB, of ImageNet, as the weights expect
    std=(58.395, 57.12, 57.375),
)
