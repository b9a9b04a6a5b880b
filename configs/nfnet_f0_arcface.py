"""Sources A and E: does a network without batch norm do better? It needs timm.

    python tools/train.py configs/nfnet_f0_arcface.py

Cost: made for a GPU (192x192, batch 32, 20 epochs; 68 million weights). Score: not
measured; source A stayed with EfficientNet-B3.
"""

_base_ = [
    "_base_/data/mask_faces.py",
    "_base_/backbones/nfnet_f0.py",
    "_base_/heads/arcface_weighted.py",
    "_base_/schedules/adamw_cosine.py",
    "_base_/runtime/default.py",
]
