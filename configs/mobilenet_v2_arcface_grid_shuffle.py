"""Do shuffled tiles help, which leave wrinkles and hair and take away the shape of the face?

    python tools/train.py configs/mobilenet_v2_arcface_grid_shuffle.py

Cost: that of mobilenet_v2_arcface.py, 10 minutes on two CPU cores for 4,000 photos.
Score: not measured.
"""

_base_ = [
    "_base_/recipes/mobilenet_v2.py",
    "_base_/augmentations/grid_shuffle.py",
    "_base_/heads/arcface_weighted.py",
]

train_dataloader = dict(batch_size=64)
