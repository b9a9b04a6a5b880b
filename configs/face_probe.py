"""How far does a network trained on faces come, frozen, with three linear classifiers?

    python tools/linear_probe.py configs/face_probe.py --submission submission.csv

The weights are not supplied: docs/recipes.md says where they come from.

Cost: 4 minutes on two CPU cores for 7,500 photos. Score: macro F1 0.607 [0.572, 0.645] out of fold,
5 folds of 700 people (real faces with drawn masks).
"""

_base_ = ["_base_/recipes/linear_probe.py", "_base_/backbones/face_mobilenet_v1.py"]

backbone = dict(out_indices=(9, 13))  # the last alone tells fewer masks right
neck = dict(_delete_=True, type="PooledLayers")
features = 512 + 1024
preprocessing = dict(size=(288, 216))  # the whole photo, its face as large as in a crop of 224
