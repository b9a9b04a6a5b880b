"""The packages that not every use of mmmask needs, and how each is installed."""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType

from mmmask.errors import InputError

#: What training needs; one that is missing is told together with the others that are.
_FRAMEWORK = ("torch", "torchvision", "mmengine", "mmpretrain", "mmcv")
#: Module -> what ``pip install`` takes.
_REQUIREMENTS: Mapping[str, str] = MappingProxyType(
    {
        **{name: name for name in _FRAMEWORK},
        "mmcv": "mmcv-lite",
        "PIL": "pillow",
        "jinja2": "jinja2",
        "matplotlib": "matplotlib",
        "onnx": "onnx",
        "onnxruntime": "onnxruntime",
        "onnxscript": "onnxscript",
        "optuna": "optuna",
        "psutil": "psutil",
        "ray": "'ray>=2.40'",
        "safetensors": "safetensors",
        "sklearn": "scikit-learn",
        "starlette": "starlette",
        "tensorboard": "tensorboard",
        "timm": "'timm>=1.0'",
        "uvicorn": "uvicorn",
        "wandb": "wandb",
        # It holds pyarrow and others below the versions that are tested together.
        "mlflow": "mlflow, in an environment of its own",
        # Their own requirements exclude versions that they work with.
        "albumentations": "--no-deps -r requirements/albumentations.txt",
        "facenet_pytorch": "--no-deps facenet-pytorch requests",
    }
)


def require(user: str, *modules: str) -> None:
    """Import modules that ``user`` needs, some part of mmmask.

    Raises:
        InputError: One cannot be imported; the message has the command that installs it.
    """
    errors: dict[str, ImportError] = {}
    for module in modules:
        try:
            import_module(module)
        except ImportError as error:
            errors[module] = error
    if errors:
        reason = next(iter(errors.values()))
        names = ", ".join(errors)
        raise InputError(f"{user} needs {names}: {_command(*errors)} ({reason})") from reason


def missing_packages(module: str | None) -> str | None:
    """Return a sentence on a module that is not installed; None where the reason is another."""
    package = (module or "").partition(".")[0]
    if package not in _REQUIREMENTS or find_spec(package) is not None:
        return None
    missing = [package]
    if package in _FRAMEWORK:
        missing = [name for name in _FRAMEWORK if find_spec(name) is None]
    return f"{', '.join(missing)} must be installed first: {_command(*missing)}"


def _command(*modules: str) -> str:
    """Return the command that installs modules."""
    packages = dict.fromkeys(_REQUIREMENTS[module] for module in modules)
    return f"pip install {' '.join(packages)}"
