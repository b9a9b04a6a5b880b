"""Does it help that a person's photos must agree on gender and age, whatever the mask?

    python tools/train.py configs/mobilenet_v2_decomposed_dldl_agreement.py

A batch of 64 holds 16 people, or about 19 where each has 7 photos: it draws 4 of them together, and
3 elsewhere. The baseline is mobilenet_v2_decomposed_dldl.py; head.agreement=0 tells what the other
batches do alone.

Cost: that of mobilenet_v2_decomposed_dldl.py, about 10 minutes on two CPU cores for 4,000 photos.
Score: not measured.
"""

_base_ = [
    "_base_/recipes/mobilenet_v2.py",
    "_base_/data/mask_faces.py",
    "_base_/heads/decomposed_dldl.py",
]

head = dict(agreement=1.0)  # beside the cross-entropies, whose factor is 1
train_dataloader = dict(
    batch_size=64,
    sampler=dict(_delete_=True, type="PersonSampler", photos=4),
)
