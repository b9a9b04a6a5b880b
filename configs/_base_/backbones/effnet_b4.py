# EfficientNet-B4 (Tan and Le, 2019), ImageNet weights of MMPretrain's model zoo.

_base_ = ["effnet_b0.py"]

backbone = dict(arch="b4")
features = 1792
pretrained = (
    "https://download.openmmlab.com/mmclassification/v0/efficientnet/"
    "efficientnet-b4_3rdparty_8xb32_in1k_20220119-81fd4077.pth"
)
preprocessing = dict(size=(380, 380))  # (height, width) in pixels
