"""Do unlabelled photos help when only the confident ones teach, and teach one class (FixMatch)?

    python tools/train.py configs/mobilenet_v2_linear_fixmatch.py

Cost: three times `mobilenet_v2_linear.py`, as each step sees two views of a further photo for
each labelled one. Score: not measured.
"""

_base_ = ["mobilenet_v2_linear.py", "_base_/semi/fixmatch.py"]
