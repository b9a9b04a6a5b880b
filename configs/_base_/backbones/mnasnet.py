# MNASNet-B1 (Tan et al., 2019), ImageNet weights of timm.

backbone = dict(type="TimmBackbone", model_name="mnasnet_100")
neck = dict(type="GlobalAveragePooling")
features = 1280
pretrained = (
    "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-weights/"
    "mnasnet_b1-74cb7081.pth"
)
preprocessing = dict(
    crop=(0.75, 1.0),  # central 3/4 of the height: a square of a 384x512 photo
    size=(224, 224),  # (height, width) in pixels
    mean=(123.675, 116.28, 103.53),  # RGB, of ImageNet, as the weights expect
    std=(58.395, 57.12, 57.375),
)
