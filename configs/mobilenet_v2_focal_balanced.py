"""Do class-balanced weights (Cui et al., 2019) beat 1 - n_c / n in focal loss, on a small network?

    python tools/train.py configs/mobilenet_v2_focal_balanced.py

Cost: about 10 minutes on two CPU cores for 4,000 photos. Score: not measured.
"""

_base_ = ["_base_/recipes/mobilenet_v2.py", "_base_/data/mask_faces.py", "_base_/heads/focal.py"]

head = dict(loss=dict(class_weight="effective_number"))
train_dataloader = dict(batch_size=64)
