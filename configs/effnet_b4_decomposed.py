"""Source D: does one EfficientNet-B4 with a classifier for each of mask, gender and age do better?

    python tools/train.py configs/effnet_b4_decomposed.py

Cost: made for a GPU (380x380, batch 16, 20 epochs). Score: not measured here; the authors reported
a private macro F1 of 0.7290 for their whole system.
"""

_base_ = [
    "_base_/data/mask_faces.py",
    "_base_/backbones/effnet_b4.py",
    "_base_/heads/decomposed.py",
    "_base_/schedules/adamw_cosine.py",
    "_base_/runtime/default.py",
]

train_dataloader = dict(batch_size=16)
