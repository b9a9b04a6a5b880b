"""Does jitter of brightness, contrast, saturation and hue help?

    python tools/train.py configs/mobilenet_v2_arcface_color_jitter.py

Cost: that of mobilenet_v2_arcface.py, 10 minutes on two CPU cores for 4,000 photos.
Score: not measured.
"""

_base_ = [
    "_base_/recipes/mobilenet_v2.py",
    "_base_/augmentations/color_jitter.py",
    "_base_/heads/arcface_weighted.py",
]

train_dataloader = dict(batch_size=64)
