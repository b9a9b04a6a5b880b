# Exponential moving average of the weights: what is validated, tested and kept as the best.

averaging = dict(
    type="EMAHook",
    ema_type="ForeachExponentialMovingAverage",
    momentum=0.002,  # share of the newest weights: the mean reaches back about 500 steps
)
