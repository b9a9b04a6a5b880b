"""Sources A and E: how much is lost with EfficientNet-B0 in the place of B3?

    python tools/train.py configs/effnet_b0_arcface.py

Cost: made for a GPU (224x224, batch 32, 20 epochs). Score: not measured.
"""

_base_ = [
    "_base_/data/mask_faces.py",
    "_base_/backbones/effnet_b0.py",
    "_base_/heads/arcface_weighted.py",
    "_base_/schedules/adamw_cosine.py",
    "_base_/runtime/default.py",
]
