# tensorboard --logdir work_dirs

tracking = dict(type="TensorboardVisBackend")
