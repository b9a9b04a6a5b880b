# NFNet-F0 (Brock et al., 2021), ImageNet weights of DeepMind, by timm.

backbone = dict(type="TimmBackbone", model_name="dm_nfnet_f0")
neck = dict(type="GlobalAveragePooling")
features = 3072
pretrained = (
    "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-dnf-weights/"
    "dm_nfnet_f0-604f9c3a.pth"
)
preprocessing = dict(
    crop=(0.75, 1.0),  # central 3/4 of the height: a square of a 384x512 photo
    size=(192, 192),  # (height, width) in pixels
    mean=(123.675, 116.28, 103.53),  # RGB, of ImageNet, as the weights expect
    std=(58.395, 57.12, 57.375),
)
