"""Source A: do unlabelled photos help by consistency training (UDA), here those of the test set?

    python tools/train.py configs/mobilenet_v2_linear_uda.py

Cost: three times `mobilenet_v2_linear.py`, as each step sees two views of a further photo for
each labelled one. Score: not measured; source A tried UDA and dropped it.
"""

_base_ = ["mobilenet_v2_linear.py", "_base_/semi/uda.py"]
