# MobileNetV2 (Sandler et al., 2018), ImageNet weights of MMPretrain's model zoo: trains on a CPU.

backbone = dict(type="MobileNetV2", widen_factor=1.0)
neck = dict(type="GlobalAveragePooling")
features = 1280
pretrained = (
    "https://download.openmmlab.com/mmclassification/v0/mobilenet_v2/"
    "mobilenet_v2_batch256_imagenet_20200708-3b2dc3af.pth"
)
preprocessing = dict(
    crop=(1.0, 1.0),  # the whole photo
    size=(160, 120),  # (height, width) in pixels
    mean=(123.675, 116.28, 103.53),  # RGB, of ImageNet, as the weights expect
    std=(58.395, 57.12, 57.375),
)
