"""Does Mixup (Zhang et al. 2018) help?

    python tools/train.py configs/mobilenet_v2_arcface_mixup.py

Cost: that of mobilenet_v2_arcface.py, 10 minutes on two CPU cores for 4,000 photos.
Score: not measured.
"""

_base_ = ["mobilenet_v2_arcface.py"]

batch_augments = dict(_delete_=True, augments=[dict(type="Mixup", alpha=0.2)])
