"""How much do a hidden layer and the last two blocks of a network for faces gain, if they learn?

    python tools/linear_probe.py configs/face_probe_tuned.py --submission submission.csv

The blocks before them are frozen, and what these give of each photo and its mirror image is kept in
a file: an epoch of the two blocks then takes seconds. They learn only after the new layers have;
--cfg-options train_cfg.training.tuned_epochs=0 lets these learn alone.

Cost: 10 minutes on two CPU cores for 7,500 photos, 12 GB of memory. Score: macro F1 0.626 [0.591,
0.664] out of fold, 5 folds of 700 people (real faces with drawn masks); 0.628 [0.594, 0.666]
without the two blocks.
"""

_base_ = ["_base_/recipes/linear_probe.py", "_base_/backbones/face_mobilenet_v1.py"]

backbone = dict(out_indices=(11,))
neck = [
    dict(type="FoldedMobileNetV1", first_block=12, out_indices=(11, 13)),
    dict(type="PooledLayers"),  # the last alone tells fewer masks right
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
    training=dict(tuned_epochs=5),  # see mmmask/models/feature_training.py
    features=None,  # tools/linear_probe.py keeps the features in a file
)
