"""Source A: does an angular margin help on EfficientNet-B3, with class weights in the loss?

    python tools/train.py configs/effnet_b3_arcface.py

Cost: made for a GPU (300x300, batch 32, 20 epochs). Score on the competition's data: not measured
here.
"""

_base_ = [
    "_base_/data/mask_faces.py",
    "_base_/backbones/effnet_b3.py",
    "_base_/heads/arcface.py",
    "_base_/schedules/adamw_cosine.py",
    "_base_/runtime/default.py",
]

# Class weights worked together with the margin.
head = dict(loss=dict(class_weight="effective_number"))
