# EfficientNet-B1 (Tan and Le, 2019), ImageNet weights of MMPretrain's model zoo.

_base_ = ["effnet_b0.py"]

backbone = dict(arch="b1")
pretrained = (
    "https://download.openmmlab.com/mmclassification/v0/efficientnet/"
    "efficientnet-b1_3rdparty_8xb32_in1k_20220119-002556d9.pth"
)
preprocessing = dict(size=(240, 240))  # (height, width) in pixels
