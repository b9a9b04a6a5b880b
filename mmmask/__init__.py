"""mmmask: classify masked faces with MMPretrain.

Importing the package is light: it loads neither torch nor OpenMMLab. A config registers the
trainable parts with ``custom_imports=['mmmask.register']``. ``mmmask.Predictor`` runs an exported
model without them, and ``mmmask.readable`` puts its predictions into words.
"""

import os
import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

# MMPretrain imports Albumentations where it is installed, which then asks the network for news.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
# mmcv-lite says at import that it lacks compiled operators; none of ours needs one.
warnings.filterwarnings("ignore", message="Fail to import", category=UserWarning)

if TYPE_CHECKING:
    from mmmask.deploy.predictor import Predictor
    from mmmask.evaluation.answers import readable

__version__ = "0.1.0"
__all__ = ["Predictor", "__version__", "readable"]

_HOMES = {"Predictor": "mmmask.deploy.predictor", "readable": "mmmask.evaluation.answers"}


def __getattr__(name: str) -> Any:
    """Import what is asked for, when it is asked for."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
