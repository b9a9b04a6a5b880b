"""Source D: do 5 draws of each old person, the additional ones rotated, overfit?

    python tools/train.py configs/mobilenet_v2_arcface_old_x5.py

Cost: 1.3 times that of mobilenet_v2_arcface.py where 7 % are old. Score: not measured.
"""

_base_ = [
    "_base_/recipes/mobilenet_v2.py",
    "_base_/augmentations/rotate_repeats.py",
    "_base_/heads/arcface.py",
]

# The old weigh more by their draws, not by the loss too.
train_dataloader = dict(
    batch_size=64,
    sampler=dict(_delete_=True, type="MinoritySampler", attribute="age", value=">=60", times=5),
)
