"""Source D: one EfficientNet-B4 with a classifier for each of mask, gender and age.

python tools/train.py configs/effnet_b4_decomposed.py
"""

_base_ = [
    "_base_/data/mask_faces.py",
    "_base_/backbones/effnet_b4.py",
    "_base_/heads/decomposed.py",
    "_base_/schedules/adamw_cosine.py",
    "_base_/runtime/default.py",
]

train_dataloader = dict(batch_size=16)
