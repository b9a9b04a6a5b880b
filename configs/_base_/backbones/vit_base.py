# ViT-B/16 at 384 pixels (Dosovitskiy et al., 2021), weights of ImageNet-21k fine-tuned on
# ImageNet, of MMPretrain's model zoo.

backbone = dict(type="VisionTransformer", arch="base", img_size=384, patch_size=16)
neck = None  # the class token stands for the photo
features = 768
pretrained = (
    "https://download.openmmlab.com/mmclassification/v0/vit/finetune/"
    "vit-base-p16_in21k-pre-3rdparty_ft-64xb64_in1k-384_20210928-98e8652b.pth"
)
preprocessing = dict(
    crop=(0.75, 1.0),  # central 3/4 of the height: a square of a 384x512 photo
    size=(384, 384),  # (height, width) in pixels
    mean=(127.5, 127.5, 127.5),  # not ImageNet's: these weights expect -1 to 1
    std=(127.5, 127.5, 127.5),
)
