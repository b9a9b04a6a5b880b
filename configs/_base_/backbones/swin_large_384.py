# Swin-L at 384 pixels (Liu et al., 2021), weights of ImageNet-21k fine-tuned on ImageNet, of
# MMPretrain's model zoo.

_base_ = ["swin_tiny.py"]

backbone = dict(
    arch="large",
    img_size=384,
    stage_cfgs=dict(block_cfgs=dict(window_size=12)),
)
features = 1536
pretrained = (
    "https://download.openmmlab.com/mmclassification/v0/swin-transformer/convert/"
    "swin_large_patch4_window12_384_22kto1k-0a40944b.pth"
)
preprocessing = dict(size=(384, 384))  # (height, width) in pixels
