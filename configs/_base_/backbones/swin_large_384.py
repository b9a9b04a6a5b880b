# Swin-L at 384 pixels (Liu et al., 2021), weights of ImageNet-21k fine-tuned on ImageNet, of
# MMPretrain's model zoo.

backbone = dict(
    type="SwinTransformer",
    arch="large",
    img_size=384,
    drop_path_rate=0.2,
    stage_cfgs=dict(block_cfgs=dict(window_size=12)),
    pad_small_map=True,  # lets photos be smaller than 384 pixels; changes nothing at 384
)
neck = dict(type="GlobalAveragePooling")
features = 1536
pretrained = (
    "https://download.openmmlab.com/mmclassification/v0/swin-transformer/convert/"
    "swin_large_patch4_window12_384_22kto1k-0a40944b.pth"
)
preprocessing = dict(
    crop=(0.75, 1.0),  # central 3/4 of the height: a square of a 384x512 photo
    size=(384, 384),  # (height, width) in pixels
    mean=(123.675, 116.28, 103.53),  # RGB, of ImageNet, as the weights expect
    std=(58.395, 57.12, 57.375),
)
