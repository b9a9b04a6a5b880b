"""Sources C and E: do the groups of ResNeXt-50 help over ResNet-50?

    python tools/train.py configs/resnext50_linear.py

Cost: made for a GPU (224x224, batch 32, 20 epochs). Score: not measured.
"""

_base_ = [
    "_base_/data/mask_faces.py",
    "_base_/backbones/resnext50.py",
    "_base_/heads/linear.py",
    "_base_/schedules/adamw_cosine.py",
    "_base_/runtime/default.py",
]
