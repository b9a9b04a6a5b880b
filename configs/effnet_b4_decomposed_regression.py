"""Source D's last step: does age do better as a number in years, on EfficientNet-B4?

    python tools/train.py configs/effnet_b4_decomposed_regression.py

Cost: made for a GPU (380x380, batch 16, 20 epochs). Score: not measured here; the authors reported
a private macro F1 of 0.7290 for their whole system. The age cut can move at test: add
--old-from 58 to tools/test.py.
"""

_base_ = [
    "_base_/data/mask_faces.py",
    "_base_/backbones/effnet_b4.py",
    "_base_/heads/decomposed_regression.py",
    "_base_/schedules/adamw_cosine.py",
    "_base_/runtime/default.py",
]

train_dataloader = dict(batch_size=16)
