"""Does seeking flat minima help on few people?

    python tools/train.py configs/mobilenet_v2_linear_sam.py

Cost: about 20 minutes on two CPU cores for 4,000 photos: two passes a step. Score: not measured.
"""

_base_ = [
    "_base_/data/mask_faces.py",
    "_base_/backbones/mobilenet_v2.py",
    "_base_/heads/linear.py",
    "_base_/schedules/sam_cosine.py",
    "_base_/runtime/default.py",
]

train_dataloader = dict(batch_size=64)
train_cfg = dict(max_epochs=6)
