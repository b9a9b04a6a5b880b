"""Does a convolutional network of a transformer's design help, with an angular margin?

    python tools/train.py configs/convnext_tiny_arcface.py

Cost: made for a GPU (224x224, batch 32, 20 epochs). Score: not measured.
"""

_base_ = [
    "_base_/data/mask_faces.py",
    "_base_/backbones/convnext_tiny.py",
    "_base_/heads/arcface_weighted.py",
    "_base_/schedules/adamw_layerwise.py",
    "_base_/runtime/default.py",
]
