"""Source B: does its geometry, Resize 224 and CenterCrop 150, help a small network?

    python tools/train.py configs/mobilenet_v2_arcface_center_crop.py

Cost: 1.2 times that of mobilenet_v2_arcface.py (150x150 for 160x120). Score: not measured.
"""

_base_ = ["mobilenet_v2_arcface.py"]

# In validation and test too. One resize of the crop in place of two gives the same geometry.
preprocessing = dict(crop=(150 / 224, 150 / 224), size=(150, 150))
