"""Source B: does a final ReLU on the logits, Kaiming-uniform weights below it, help focal loss?

    python tools/train.py configs/effnet_b3_focal_relu.py

Cost: as effnet_b3_focal.py. Score: not measured here; the authors reported a slight gain.
"""

_base_ = ["effnet_b3_focal.py"]

head = dict(final_relu=True)
