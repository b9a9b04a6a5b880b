"""Source A found that heavier test-time augmentation hurt: does it, beside the mirror image?

python tools/test.py configs/effnet_b3_arcface_tta_heavy.py work_dirs/effnet_b3_arcface/best*.pth

Cost: five forward passes a photo in place of two. Score: not measured.
"""

_base_ = ["effnet_b3_arcface.py"]

tta = dict(enabled=True, views=["identity", "hflip", "rotate_left", "rotate_right", "zoom"])
