"""Does rotation by up to 30 degrees, the border filled by reflection, help?

    python tools/train.py configs/mobilenet_v2_arcface_rotate.py

Cost: that of mobilenet_v2_arcface.py, 10 minutes on two CPU cores for 4,000 photos.
Score: not measured.
"""

_base_ = [
    "_base_/recipes/mobilenet_v2.py",
    "_base_/augmentations/rotate.py",
    "_base_/heads/arcface_weighted.py",
]

train_dataloader = dict(batch_size=64)
