# Weights & Biases without network; later `wandb sync work_dirs/NAME/*/vis_data/wandb/offline-*`.

tracking = dict(type="WandbRunBackend", init_kwargs=dict(project="mmmask", mode="offline"))
