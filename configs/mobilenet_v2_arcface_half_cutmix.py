"""Do faces of two people of one class, left half and right half, help, as they did two winners?

    python tools/train.py configs/mobilenet_v2_arcface_half_cutmix.py

Cost: that of mobilenet_v2_arcface.py, 10 minutes on two CPU cores for 4,000 photos.
Score: not measured.
"""

_base_ = ["mobilenet_v2_arcface.py"]

# In half of the batches.
batch_augments = dict(_delete_=True, augments=[dict(type="HalfFaceCutMix")], probs=0.5)
