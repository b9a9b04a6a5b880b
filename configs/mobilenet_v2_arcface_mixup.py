"""Does Mixup (Zhang et al. 2018) help?

    python tools/train.py configs/mobilenet_v2_arcface_mixup.py

Cost: COST. Score: not measured.
"""

_base_ = ["mobilenet_v2_arcface.py"]

batch_augments = dict(_delete_=True, augments=[dict(type="Mixup", alpha=0.2)])
