"""Source A: does consistency training (UDA) on the test photos help ArcFace on EfficientNet-B3?

    python tools/train.py configs/effnet_b3_arcface_uda.py

Cost: three times `effnet_b3_arcface.py`, made for a GPU. Score: not measured; source A tried it
and dropped it.
"""

_base_ = ["effnet_b3_arcface.py", "_base_/semi/uda.py"]
