"""Does the mean of the weights over the last epochs of a constant rate help?

    python tools/train.py configs/mobilenet_v2_linear_swa.py

Cost: about 35 minutes on two CPU cores for 4,000 photos. Score: not measured.
"""

_base_ = [
    "_base_/data/mask_faces.py",
    "_base_/backbones/mobilenet_v2.py",
    "_base_/heads/linear.py",
    "_base_/schedules/sgd_swa.py",
    "_base_/averaging/swa.py",
    "_base_/runtime/default.py",
]

train_dataloader = dict(batch_size=64)
