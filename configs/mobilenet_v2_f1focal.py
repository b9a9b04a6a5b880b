"""Does 0.4 F1 loss + 0.6 focal loss, as public solutions mix them, beat focal loss alone?

    python tools/train.py configs/mobilenet_v2_f1focal.py

Cost: about 10 minutes on two CPU cores for 4,000 photos. Score: not measured.
"""

_base_ = ["_base_/recipes/mobilenet_v2.py", "_base_/data/mask_faces.py", "_base_/heads/f1focal.py"]

train_dataloader = dict(batch_size=64)
