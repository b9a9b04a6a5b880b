# mlflow ui --backend-store-uri sqlite:///work_dirs/mlflow.db

tracking = dict(
    type="MLflowVisBackend",
    exp_name="mmmask",
    tracking_uri="sqlite:///work_dirs/mlflow.db",  # MLflow 3 no longer takes plain files
    artifact_location="work_dirs/mlflow",
    # Each fact once, not again where it was composed to.
    tracked_config_keys=[
        "backbone",
        "data",
        "head",
        "optim_wrapper",
        "param_scheduler",
        "preprocessing",
        "pretrained",
        "randomness",
        "train_cfg",
    ],
)
