# EfficientNet-B2 (Tan and Le, 2019), ImageNet weights of MMPretrain's model zoo.

_base_ = ["effnet_b0.py"]

backbone = dict(arch="b2")
features = 1408
pretrained = (
    "https://download.openmmlab.com/mmclassification/v0/efficientnet/"
    "efficientnet-b2_3rdparty_8xb32_in1k_20220119-ea374a30.pth"
)
preprocessing = dict(size=(260, 260))  # (height, width) in pixels
