"""Does a hidden mouth make the network look at the eyes, or hurt, as source E found?

    python tools/train.py configs/mobilenet_v2_arcface_mouth_cutout.py

Cost: that of mobilenet_v2_arcface.py, 10 minutes on two CPU cores for 4,000 photos.
Score: not measured.
"""

_base_ = [
    "_base_/augmentations/mouth_cutout.py",
    "_base_/backbones/mobilenet_v2.py",
    "_base_/heads/arcface.py",
    "_base_/schedules/adamw_cosine.py",
    "_base_/runtime/default.py",
]

# As mobilenet_v2_arcface.py.
head = dict(loss=dict(class_weight="effective_number"))
train_dataloader = dict(batch_size=64)
train_cfg = dict(max_epochs=6)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
