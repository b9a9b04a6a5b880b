# EfficientNet-B5 (Tan and Le, 2019), ImageNet weights of MMPretrain's model zoo.

_base_ = ["effnet_b0.py"]

backbone = dict(arch="b5")
features = 2048
pretrained = (
    "https://download.openmmlab.com/mmclassification/v0/efficientnet/"
    "efficientnet-b5_3rdparty_8xb32_in1k_20220119-e9814430.pth"
)
preprocessing = dict(size=(456, 456))  # (height, width) in pixels
