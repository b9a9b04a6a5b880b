# EfficientNet-B5 (Tan and Le, 2019), ImageNet weights of MMPretrain's model zoo.

backbone = dict(type="EfficientNet", arch="b5")
neck = dict(type="GlobalAveragePooling")
features = 2048
pretrained = (
    "https://download.openmmlab.com/mmclassification/v0/efficientnet/"
    "efficientnet-b5_3rdparty_8xb32_in1k_20220119-e9814430.pth"
)
preprocessing = dict(
    crop=(0.75, 1.0),  # central 3/4 of the height: a square of a 384x512 photo
    size=(456, 456),  # (height, width) in pixels
    mean=(123.675, 116.28, 103.53),  # RGB, of ImageNet, as the weights expect
    std=(58.395, 57.12, 57.375),
)
