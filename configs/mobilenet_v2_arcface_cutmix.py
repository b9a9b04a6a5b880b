"""Source D: does CutMix (Yun et al. 2019) help?

    python tools/train.py configs/mobilenet_v2_arcface_cutmix.py

Cost: that of mobilenet_v2_arcface.py, 10 minutes on two CPU cores for 4,000 photos.
Score: not measured.
"""

_base_ = ["mobilenet_v2_arcface.py"]

# In half of the batches.
batch_augments = dict(_delete_=True, augments=[dict(type="CutMix", alpha=1.0)], probs=0.5)
