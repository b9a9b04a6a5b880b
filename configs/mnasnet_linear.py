"""Source E: does MNASNet, as small as MobileNetV2, do as well as larger networks? It needs timm.

    python tools/train.py configs/mnasnet_linear.py

Cost: made for a GPU (224x224, batch 32, 20 epochs). Score: not measured.
"""

_base_ = [
    "_base_/data/mask_faces.py",
    "_base_/backbones/mnasnet.py",
    "_base_/heads/linear.py",
    "_base_/schedules/adamw_cosine.py",
    "_base_/runtime/default.py",
]
