# MobileNetV2 for six epochs, as a CPU can train it: all but the data and the head.
# mobilenet_v2_linear.py and mobilenet_v2_arcface.py, which other leaves inherit, say the same.

_base_ = ["../backbones/mobilenet_v2.py", "../schedules/adamw_cosine.py", "../runtime/default.py"]

train_cfg = dict(max_epochs=6)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
