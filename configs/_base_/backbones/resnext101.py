# ResNeXt-101 32x4d (Xie et al., 2017), ImageNet weights of MMPretrain's model zoo.

_base_ = ["resnext50.py"]

backbone = dict(depth=101)
pretrained = (
    "https://download.openmmlab.com/mmclassification/v0/resnext/"
    "resnext101_32x4d_b32x8_imagenet_20210506-e0fa3dd5.pth"
)
