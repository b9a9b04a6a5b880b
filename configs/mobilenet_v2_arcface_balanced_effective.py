"""Do classes drawn by their effective number beat the same weights in the loss?

    python tools/train.py configs/mobilenet_v2_arcface_balanced_effective.py

Cost: that of mobilenet_v2_arcface.py, 10 minutes on two CPU cores for 4,000 photos.
Score: not measured.
"""

_base_ = ["mobilenet_v2_arcface.py"]

# Balanced once: by the draws, not by the loss too.
head = dict(loss=dict(class_weight=None))
train_dataloader = dict(
    sampler=dict(_delete_=True, type="BalancedSampler", by="class", rule="effective_number")
)
