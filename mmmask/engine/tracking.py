"""Records of runs beside MMEngine's own log: TensorBoard, Weights & Biases, MLflow."""

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config
from mmengine.visualization import WandbVisBackend
from mmengine.visualization.vis_backend import force_init_env
from mmpretrain.registry import VISBACKENDS

from mmmask.errors import InputError, first_line
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

    def _init_env(self) -> None:
        """Begin the run.

        Raises:
            InputError: There is no key, or no network.
        """
        from wandb.errors import Error

        try:
            super()._init_env()
        except Error as error:
            raise InputError(
                f"tracking: Weights & Biases cannot begin: {first_line(error).rstrip('.')}; run "
                "`wandb login` first, or inherit _base_/tracking/wandb_offline.py, which needs no "
                "network"
            ) from error

    @force_init_env
    def add_config(self, config: Config, **kwargs: Any) -> None:
        self.experiment.config.update(config.to_dict(), allow_val_change=True)
