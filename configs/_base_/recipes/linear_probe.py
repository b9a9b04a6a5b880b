# A frozen backbone, and a logistic regression on its features for each of mask, gender and age:
# tools/linear_probe.py. All but the backbone; a leaf joins the two and says which layers are seen.

_base_ = [
    "../data/mask_faces.py",
    "../heads/probe.py",
    "../runtime/default.py",
]

augmentations = []  # each photo is looked at once
train_dataloader = dict(batch_size=8, num_workers=1)  # the fastest on a CPU
