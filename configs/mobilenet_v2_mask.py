"""Source E: three models by attribute, this one for the mask; do they beat one model of 18 classes?

    python tools/train.py configs/mobilenet_v2_mask.py

With those of mobilenet_v2_gender.py and mobilenet_v2_age.py, its predictions compose into the 18
classes: python tools/ensemble.py mask.parquet gender.parquet age.parquet --compose

Cost: about 10 minutes on two CPU cores for 4,000 photos. Score: not measured.
"""

_base_ = ["_base_/recipes/mobilenet_v2.py", "_base_/data/mask_faces.py", "_base_/heads/mask.py"]

train_dataloader = dict(batch_size=64)
