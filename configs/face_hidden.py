"""Is one hidden layer on frozen features better than three linear classifiers?

    python tools/linear_probe.py configs/face_hidden.py --submission submission.csv

As configs/face_probe.py, with the mirror image of each photo.

Cost: 10 minutes on two CPU cores for 7,500 photos. Score: not measured.
"""

_base_ = ["_base_/recipes/linear_probe.py", "_base_/backbones/face_mobilenet_v1.py"]

backbone = dict(out_indices=(9, 13))  # the last layers alone are nearly blind to masks
neck = [
    dict(type="PooledLayers"),
    dict(type="HiddenLayer", in_channels=512 + 1024, width=256, dropout=0.5),
]
features = 256
preprocessing = dict(size=(288, 216))  # the whole photo, its face as large as in a crop of 224
tta = dict(enabled=True)  # learns from the mirror image too, and is tested on both
head = dict(
    dropout=0.5,
    age=dict(_delete_=True, type="LabelDistributionAge", sigma=3.0, years=(10, 90)),
)
train_cfg = dict(
    _delete_=True,
    type="FeatureTrainLoop",
    max_epochs=1,
    training=dict(),  # see mmmask/models/feature_training.py
    features=None,  # tools/linear_probe.py keeps the features in a file
)
