"""Does label smoothing help class-weighted focal loss, on a small network?

    python tools/train.py configs/mobilenet_v2_focal_smooth.py

Cost: about 10 minutes on two CPU cores for 4,000 photos. Score: not measured.
Source A tried label smoothing and dropped it.
"""

_base_ = ["_base_/recipes/mobilenet_v2.py", "_base_/data/mask_faces.py", "_base_/heads/focal.py"]

head = dict(loss=dict(label_smoothing=0.1))  # share of the target that is spread evenly
train_dataloader = dict(batch_size=64)
