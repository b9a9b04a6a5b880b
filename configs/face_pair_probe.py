"""How much does a second network for faces gain, trained to tell people apart?

    python tools/linear_probe.py configs/face_pair_probe.py --submission submission.csv

Both are frozen; a hidden layer and three classifiers learn from what they see of each photo and its
mirror image. --cfg-options 'neck.1.columns=[0,512]' lets them look at the second network alone.

Cost: 14 minutes on two busy CPU cores for 7,500 photos, 2.2 GB of memory. Score: macro F1 0.625
[0.590, 0.663] out of fold, 5 folds of 700 people (real faces with drawn masks); the second network
alone 0.510 [0.478, 0.545].
"""

_base_ = ["_base_/recipes/linear_probe.py", "_base_/backbones/face_pair.py"]

neck = [
    dict(type="PooledLayers"),
    dict(type="HiddenLayer", in_channels=512 + 512 + 1024, width=256, dropout=0.5),
]
features = 256
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
