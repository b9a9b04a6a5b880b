# DeiT-B (Touvron et al., 2021), ImageNet weights of MMPretrain's model zoo.

backbone = dict(
    type="VisionTransformer", arch="deit-base", img_size=224, patch_size=16, drop_path_rate=0.1
)
neck = None  # the class token stands for the photo
features = 768
pretrained = (
    "https://download.openmmlab.com/mmclassification/v0/deit/"
    "deit-base_pt-16xb64_in1k_20220216-db63c16c.pth"
)
preprocessing = dict(
    crop=(0.75, 1.0),  # central 3/4 of the height: a square of a 384x512 photo
    size=(224, 224),  # (height, width) in pixels
    mean=(123.675, 116.28, 103.53),  # RGB, of ImageNet, as the weights expect
    std=(58.395, 57.12, 57.375),
)
