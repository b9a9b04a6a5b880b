"""Does a network tell masks better if drawn ones get other colours, patterns and folds?

    python tools/train.py configs/mobilenet_v2_arcface_vary_mask.py

Cost: that of mobilenet_v2_arcface.py, 10 minutes on two CPU cores for 4,000 photos.
Score: not measured.
"""

_base_ = [
    "_base_/recipes/mobilenet_v2.py",
    "_base_/augmentations/vary_mask.py",
    "_base_/heads/arcface_weighted.py",
]

train_dataloader = dict(batch_size=64)
