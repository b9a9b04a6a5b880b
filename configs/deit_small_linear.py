"""Source E: does a transformer with few assumptions about pictures do on so few photos?

    python tools/train.py configs/deit_small_linear.py

Cost: made for a GPU (224x224, batch 32, 20 epochs). Score: not measured.
"""

_base_ = [
    "_base_/data/mask_faces.py",
    "_base_/backbones/deit_small.py",
    "_base_/heads/linear.py",
    "_base_/schedules/adamw_layerwise.py",
    "_base_/runtime/default.py",
]
