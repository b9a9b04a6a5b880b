"""Source E: three models by attribute, this one for gender; see mobilenet_v2_mask.py.

    python tools/train.py configs/mobilenet_v2_gender.py

Cost: about 10 minutes on two CPU cores for 4,000 photos. Score: not measured.
"""

_base_ = ["_base_/recipes/mobilenet_v2.py", "_base_/data/mask_faces.py", "_base_/heads/gender.py"]

train_dataloader = dict(batch_size=64)
