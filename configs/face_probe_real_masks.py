"""Does a probe of drawn masks tell others, if it also learns from photos changed by chance?

    python tools/train.py configs/face_probe_real_masks.py

It sees each photo as it is, and three times with masks of other cloth, the face elsewhere, other
light, blur. What the whole probe of tools/linear_probe.py does is done by tools/kfold.py.
"""

_base_ = [
    "_base_/augmentations/real_masks.py",
    "_base_/backbones/face_mobilenet_v1.py",
    "_base_/heads/probe.py",
    "_base_/runtime/default.py",
]

augmentations = [dict(type="RepeatedOnly", transforms={{_base_.augmentations}})]
backbone = dict(out_indices=(9, 11, 13))
neck = dict(_delete_=True, type="PooledLayers")
features = 512 + 512 + 1024
preprocessing = dict(size=(288, 216))  # the whole photo, its face as large as in a crop of 224
train_dataloader = dict(batch_size=8, num_workers=1, sampler=dict(times=4))
