# EfficientNet-B6 (Tan and Le, 2019), ImageNet weights of MMPretrain's model zoo.

_base_ = ["effnet_b0.py"]

backbone = dict(arch="b6")
features = 2304
pretrained = (
    "https://download.openmmlab.com/mmclassification/v0/efficientnet/"
    "efficientnet-b6_3rdparty_8xb32-aa_in1k_20220119-45b03310.pth"
)
preprocessing = dict(size=(528, 528))  # (height, width) in pixels
