"""Does the mean over photo and mirror image help ArcFace on EfficientNet-B3 at test?

python tools/test.py configs/effnet_b3_arcface_tta.py work_dirs/effnet_b3_arcface/best*.pth
"""

_base_ = ["effnet_b3_arcface.py"]

tta = dict(enabled=True)
