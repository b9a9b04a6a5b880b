"""Source E: does a plain ResNet-50 do, the baseline of all others?

    python tools/train.py configs/resnet50_linear.py

Cost: made for a GPU (224x224, batch 32, 20 epochs). Score: not measured.
"""

_base_ = [
    "_base_/data/mask_faces.py",
    "_base_/backbones/resnet50.py",
    "_base_/heads/linear.py",
    "_base_/schedules/adamw_cosine.py",
    "_base_/runtime/default.py",
]
