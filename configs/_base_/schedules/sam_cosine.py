# SAM (Foret et al., 2021) on SGD with momentum: each step costs two, and seeks flat minima.

_base_ = ["adamw_cosine.py"]

optim_wrapper = dict(
    type="SAMOptimWrapper",
    rho=0.05,  # radius of the neighbourhood, as in the paper
    optimizer=dict(_delete_=True, type="SGD", lr=0.01, momentum=0.9, weight_decay=5e-4),
)
