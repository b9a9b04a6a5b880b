"""Does a transformer over windows help? The best public single models are larger ones of its kind.

    python tools/train.py configs/swin_tiny_linear.py

Cost: made for a GPU (224x224, batch 32, 20 epochs). Score: not measured.
"""

_base_ = [
    "_base_/data/mask_faces.py",
    "_base_/backbones/swin_tiny.py",
    "_base_/heads/linear.py",
    "_base_/schedules/adamw_layerwise.py",
    "_base_/runtime/default.py",
]
