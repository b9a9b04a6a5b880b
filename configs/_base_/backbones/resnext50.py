# ResNeXt-50 32x4d (Xie et al., 2017), ImageNet weights of MMPretrain's model zoo.

backbone = dict(type="ResNeXt", depth=50, groups=32, width_per_group=4)
neck = dict(type="GlobalAveragePooling")
features = 2048
pretrained = (
    "https://download.openmmlab.com/mmclassification/v0/resnext/"
    "resnext50_32x4d_b32x8_imagenet_20210429-56066e27.pth"
)
preprocessing = dict(
    crop=(0.75, 1.0),  # central 3/4 of the height: a square of a 384x512 photo
    size=(224, 224),  # (height, width) in pixels
    mean=(123.675, 116.28, 103.53),  # RGB, of ImageNet, as the weights expect
    std=(58.395, 57.12, 57.375),
)
