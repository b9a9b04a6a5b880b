# EfficientNet-B2 (Tan and Le, 2019), ImageNet weights of MMPretrain's model zoo.

backbone = dict(type="EfficientNet", arch="b2")
neck = dict(type="GlobalAveragePooling")
features = 1408
pretrained = (
    "https://download.openmmlab.com/mmclassification/v0/efficientnet/"
    "efficientnet-b2_3rdparty_8xb32_in1k_20220119-ea374a30.pth"
)
preprocessing = dict(
    crop=(0.75, 1.0),  # central 3/4 of the height: a square of a 384x512 photo
    size=(260, 260),  # (height, width) in pixels
    mean=(123.675, 116.28, 103.53),  # RGB, of ImageNet, as the weights expect
    std=(58.395, 57.12, 57.375),
)
