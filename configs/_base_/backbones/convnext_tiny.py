# ConvNeXt-T (Liu et al., 2022), ImageNet weights of MMPretrain's model zoo.

backbone = dict(type="ConvNeXt", arch="tiny", drop_path_rate=0.1)
neck = None  # the network pools before its last norm
features = 768
pretrained = (
    "https://download.openmmlab.com/mmclassification/v0/convnext/"
    "convnext-tiny_32xb128_in1k_20221207-998cf3e9.pth"
)
preprocessing = dict(
    crop=(0.75, 1.0),  # central 3/4 of the height: a square of a 384x512 photo
    size=(224, 224),  # (height, width) in pixels
    mean=(123.675, 116.28, 103.53),  # RGB, of ImageNet, as the weights expect
    std=(58.395, 57.12, 57.375),
)
