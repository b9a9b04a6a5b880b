"""Source B: class-weighted focal loss on EfficientNet-B3, SGD with warm restarts, age cut 58.

    python tools/train.py configs/effnet_b3_focal.py

Cost: made for a GPU (150x150, batch 32, 15 epochs). Score: not measured here; the authors reported
a private macro F1 of 0.7236.
"""

_base_ = [
    "_base_/data/mask_faces.py",
    "_base_/backbones/effnet_b3.py",
    "_base_/heads/focal.py",
    "_base_/schedules/sgd_restarts.py",
    "_base_/runtime/default.py",
]

# Resize to 224, then the central 150.
preprocessing = dict(crop=(150 / 224, 150 / 224), size=(150, 150))
data = dict(old_from=58)
