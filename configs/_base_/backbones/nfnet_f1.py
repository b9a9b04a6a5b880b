# NFNet-F1 (Brock et al., 2021), ImageNet weights of DeepMind, by timm.

_base_ = ["nfnet_f0.py"]

backbone = dict(model_name="dm_nfnet_f1")
pretrained = (
    "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-dnf-weights/"
    "dm_nfnet_f1-fc540f82.pth"
)
preprocessing = dict(size=(224, 224))  # (height, width) in pixels
