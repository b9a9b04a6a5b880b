"""Does a large transformer with weights of ImageNet-21k help? It sees 384x384 pixels.

    python tools/train.py configs/vit_base_linear.py

Cost: made for a GPU (384x384, batch 16, 20 epochs; 86 million weights). Score: not measured.
"""

_base_ = [
    "_base_/data/mask_faces.py",
    "_base_/backbones/vit_base.py",
    "_base_/heads/linear.py",
    "_base_/schedules/adamw_layerwise.py",
    "_base_/runtime/default.py",
]

train_dataloader = dict(batch_size=16)
