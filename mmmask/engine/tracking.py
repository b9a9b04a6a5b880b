"""Records of runs beside MMEngine's own log: TensorBoard, Weights & Biases, MLflow."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from mmengine.config import Config
from mmengine.visualization import WandbVisBackend
from mmengine.visualization.vis_backend import force_init_env
from mmpretrain.registry import VISBACKENDS

from mmmask.errors import InputError

#: Backend -> its package, and how to install that.
_PACKAGES = {
    "TensorboardVisBackend": ("tensorboard", "pip install tensorboard"),
    "WandbRunBackend": ("wandb", "pip install wandb"),
    # Its own requirements hold pyarrow and others below the versions that are tested together.
    "MLflowVisBackend": ("mlflow", "in an environment of its own, pip install -e '.[mlflow]'"),
}


def check_installed(tracking: Mapping[str, Any] | None) -> None:
    """Refuse to start a run whose record needs a package that is not installed."""
    if tracking is None or tracking["type"] not in _PACKAGES:
        return
    package, how = _PACKAGES[tracking["type"]]
    if find_spec(package) is None:
        raise InputError(f"tracking: {tracking['type']} needs {package}: {how}")


@VISBACKENDS.register_module()
class WandbRunBackend(WandbVisBackend):
    """A run of Weights & Biases with losses, scores and the config, without source files.

    Upstream also uploads every Python file under the current folder, which in a checkout are
    those of all packages in ``.venv``.
    """

    @force_init_env
    def add_config(self, config: Config, **kwargs: Any) -> None:
        self.experiment.config.update(config.to_dict(), allow_val_change=True)
