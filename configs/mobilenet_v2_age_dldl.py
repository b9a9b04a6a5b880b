"""Does a model of age alone do better with Gaussian soft labels over years than with three groups?

    python tools/train.py configs/mobilenet_v2_age_dldl.py

The age cut can move at test: add --old-from 58 to tools/test.py.

Cost: about 10 minutes on two CPU cores for 4,000 photos. Score: not measured.
"""

_base_ = ["_base_/recipes/mobilenet_v2.py", "_base_/data/mask_faces.py", "_base_/heads/age_dldl.py"]

train_dataloader = dict(batch_size=64)
