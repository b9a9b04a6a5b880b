# EfficientNet-B7 (Tan and Le, 2019), ImageNet weights of MMPretrain's model zoo.

_base_ = ["effnet_b0.py"]

backbone = dict(arch="b7")
features = 2560
pretrained = (
    "https://download.openmmlab.com/mmclassification/v0/efficientnet/"
    "efficientnet-b7_3rdparty_8xb32-aa_in1k_20220119-bf03951c.pth"
)
preprocessing = dict(size=(600, 600))  # (height, width) in pixels
