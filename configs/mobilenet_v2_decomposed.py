"""Do three classifiers, for mask, gender and age, beat one of 18 classes, on a small network?

    python tools/train.py configs/mobilenet_v2_decomposed.py

Cost: about 10 minutes on two CPU cores for 4,000 photos. Score: not measured.
"""

_base_ = [
    "_base_/recipes/mobilenet_v2.py",
    "_base_/data/mask_faces.py",
    "_base_/heads/decomposed.py",
]

train_dataloader = dict(batch_size=64)
