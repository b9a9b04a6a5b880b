"""Does a probe of drawn masks tell others, if it learns from photos that are changed by chance?

    python tools/train.py configs/face_probe_real_masks.py

Each photo is seen four times: its masks of other cloth, its face elsewhere, light, blur.
"""

_base_ = [
    "_base_/augmentations/real_masks.py",
    "_base_/backbones/face_mobilenet_v1.py",
    "_base_/heads/decomposed_dldl.py",
    "_base_/runtime/default.py",
]

backbone = dict(out_indices=(11, 13))
neck = [
    dict(type="PooledLayers"),
    dict(type="HiddenLayer", in_channels=512 + 1024, width=256, dropout=0.5),
]
features = 256
preprocessing = dict(size=(288, 216))  # the whole photo, its face as large as in a crop of 224
train_dataloader = dict(batch_size=8, num_workers=1, sampler=dict(times=4))
head = dict(
    dropout=0.5,
    losses=dict(age=dict(type="WeightedCrossEntropyLoss", num_classes=3, class_weight="inverse")),
    age_groups=True,
)
train_cfg = dict(type="FeatureTrainLoop", max_epochs=1, training=dict(epochs=10))
val_cfg = dict()
test_cfg = dict()
# MMEngine asks for an optimizer; it never steps.
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.0))
