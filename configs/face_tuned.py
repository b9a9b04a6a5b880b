"""How much do the last two blocks of a network for faces gain, if they learn too?

    python tools/linear_probe.py configs/face_tuned.py --submission submission.csv

The blocks before them are frozen, and what these give of each photo and its mirror image is kept in
a file: an epoch of the two blocks then takes seconds. They learn only after the new layers have.

Cost: not measured. Score: not measured.
"""

_base_ = ["face_hidden.py"]

backbone = dict(out_indices=(11,))
neck = [
    dict(type="FoldedMobileNetV1", first_block=12, out_indices=(11, 13)),
    dict(type="PooledLayers"),
    dict(type="HiddenLayer", in_channels=512 + 1024, width=256, dropout=0.5),
]
train_cfg = dict(training=dict(tuned_epochs=5))
