# Weights & Biases: first `wandb login`.

tracking = dict(type="WandbRunBackend", init_kwargs=dict(project="mmmask"))
