"""Does an exponential moving average of the weights help?

    python tools/train.py configs/mobilenet_v2_linear_ema.py

Cost: about 10 minutes on two CPU cores for 4,000 photos. Score: not measured.
"""

_base_ = ["mobilenet_v2_linear.py", "_base_/averaging/ema.py"]
