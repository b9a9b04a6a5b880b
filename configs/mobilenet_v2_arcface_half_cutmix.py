"""Do faces of two people of one class, left half and right half, help, as they did two winners?

    python tools/train.py configs/mobilenet_v2_arcface_half_cutmix.py

Cost: COST. Score: not measured.
"""

_base_ = ["mobilenet_v2_arcface.py"]

# In half of the batches.
batch_augments = dict(_delete_=True, augments=[dict(type="HalfFaceCutMix")], probs=0.5)
