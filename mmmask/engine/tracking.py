"""Records of runs beside MMEngine's own log: TensorBoard, Weights & Biases, MLflow."""

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config
from mmengine.visualization import WandbVisBackend
from mmengine.visualization.vis_backend import force_init_env
from mmpretrain.registry import VISBACKENDS

from mmmask.packages import require

#: Backend -> its package.
_PACKAGES = {
    "TensorboardVisBackend": "tensorboard",
    "WandbRunBackend": "wandb",
    "MLflowVisBackend": "mlflow",
}


def check_installed(tracking: Mapping[str, Any] | None) -> None:
    """Refuse to start a run whose record needs a package that is not installed."""
    if tracking is not None and tracking["type"] in _PACKAGES:
        require(f"tracking: {tracking['type']}", _PACKAGES[tracking["type"]])


@VISBACKENDS.register_module()
class WandbRunBackend(WandbVisBackend):
    """A run of Weights & Biases with losses, scores and the config, without source files.

    Upstream also uploads every Python file under the current folder, which in a checkout are
    those of all packages in ``.venv``.
    """

    @force_init_env
    def add_config(self, config: Config, **kwargs: Any) -> None:
        self.experiment.config.update(config.to_dict(), allow_val_change=True)
