# DeiT-B (Touvron et al., 2021), ImageNet weights of MMPretrain's model zoo.

_base_ = ["deit_small.py"]

backbone = dict(arch="deit-base", drop_path_rate=0.1)
features = 768
pretrained = (
    "https://download.openmmlab.com/mmclassification/v0/deit/"
    "deit-base_pt-16xb64_in1k_20220216-db63c16c.pth"
)
