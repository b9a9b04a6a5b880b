"""ArcFace on EfficientNet-B3, tested on each photo and its mirror image.

python tools/test.py configs/effnet_b3_arcface_tta.py work_dirs/effnet_b3_arcface/best*.pth
"""

_base_ = ["effnet_b3_arcface.py"]

tta = dict(enabled=True)
