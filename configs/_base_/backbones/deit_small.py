# DeiT-S (Touvron et al., 2021), ImageNet weights of MMPretrain's model zoo.

backbone = dict(type="VisionTransformer", arch="deit-small", img_size=224, patch_size=16)
neck = None  # the class token stands for the photo
features = 384
pretrained = (
    "https://download.openmmlab.com/mmclassification/v0/deit/"
    "deit-small_pt-4xb256_in1k_20220218-9425b9bb.pth"
)
preprocessing = dict(
    crop=(0.75, 1.0),  # central 3/4 of the height: a square of a 384x512 photo
    size=(224, 224),  # (height, width) in pixels
    mean=(123.675, 116.28, 103.53),  # RGB, of ImageNet, as the weights expect
    std=(58.395, 57.12, 57.375),
)
