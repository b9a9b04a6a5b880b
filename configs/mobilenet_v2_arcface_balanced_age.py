"""Do age groups drawn alike often beat class weights in the loss?

    python tools/train.py configs/mobilenet_v2_arcface_balanced_age.py

Cost: that of mobilenet_v2_arcface.py, 10 minutes on two CPU cores for 4,000 photos.
Score: not measured.
"""

_base_ = ["mobilenet_v2_arcface.py"]

# Balanced once: by the draws, not by the loss too.
head = dict(loss=dict(class_weight=None))
train_dataloader = dict(sampler=dict(_delete_=True, type="BalancedSampler", by="age"))
