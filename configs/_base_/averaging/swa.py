# Stochastic weight averaging (Izmailov et al., 2018): the plain mean of the weights at every step
# from an epoch on, under the constant rate of schedules/sgd_swa.py.

averaging = dict(
    type="EMAHook",
    ema_type="StochasticWeightAverage",
    begin_epoch=16,  # counted from 1
    # The paper passes over the training photos once more for the statistics of batch norms; here
    # they are averaged like the weights. Off, they would be those of the latest weights.
    update_buffers=True,
)
