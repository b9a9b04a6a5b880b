"""Does a probe of drawn masks tell those of other photos, if it learns from changed ones too?

    python tools/train.py configs/face_probe_real_masks.py

It sees each photo as it is, and three times with the face elsewhere or smaller, in another light,
blurred, compressed. tools/linear_probe.py takes no such config; out of fold, tools/kfold.py does.

Cost: 40 ms of one core per photo and draw, so about 11 minutes for 560 people. Score: see
docs/recipes.md; not measured on real masks.
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
