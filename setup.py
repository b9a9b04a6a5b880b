"""Install mmmask; ``pip install -e .`` in a checkout."""

from importlib.util import find_spec
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = next(
    line.split('"')[1]
    for line in (HERE / "mmmask/__init__.py").read_text().splitlines()
    if line.startswith("__version__")
)
# mmcv-lite provides the package `mmcv` without compiled operators, of which mmmask needs none.
# The two must not be installed together, so an installed full mmcv stays.
FULL_MMCV = find_spec("mmcv") is not None and find_spec("mmcv._ext") is not None
# What tools/benchmark.py compares with and measures by.
BENCHMARK = ["timm>=1.0,<2", "psutil>=5.9,<8"]
# What mmmask.Predictor runs an exported model with, what tools/export.py writes it with, and what
# tools/demo.py serves its page and draws its sheets with.
PREDICT = ["onnxruntime>=1.20,<2", "pillow>=10"]
EXPORT = ["onnx>=1.17,<2", "onnxscript>=0.5,<1", *PREDICT]
APPS = [
    *("starlette>=0.46,<2", "uvicorn>=0.34,<1", "jinja2>=3.1,<4", "pillow>=10"),
    "matplotlib>=3.8,<4",
]
# What tools/sweep.py proposes trials by, and tells by which values matter.
SWEEP = ["optuna>=5,<6", "scikit-learn>=1.4,<2"]

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
    # Enough for labels, tables, scores and drawn faces; training needs the extra `train`.
    install_requires=[
        "numpy>=1.26,<3",
        "pandas>=2.3,<4",
        "pyarrow>=16",
        "scipy>=1.12,<2",
        "opencv-python>=4.9,<6",
        "rich>=13",
    ],
    extras_require={
        "train": [
            "torch>=2.6,<3",
            "torchvision>=0.21,<1",
            "mmengine>=0.10.7,<0.11",
            "mmpretrain>=1.2,<1.3",
            "mmcv>=2.1,<2.4" if FULL_MMCV else "mmcv-lite>=2.1,<2.4",
            "matplotlib>=3.8,<4",
            "jinja2>=3.1,<4",
        ],
        # mmmask.Predictor without torch; Pillow for configs with preprocessing.reduced_decode
        "predict": PREDICT,
        "export": EXPORT,
        "apps": APPS,
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
            "hypothesis>=6.100",
            "scikit-learn>=1.4,<2",
            "pytorch-metric-learning>=2.5,<3",
            *BENCHMARK,
            *EXPORT,
            *APPS,
            *SWEEP,
            "abstention>=0.1.3,<0.2",
            "cleanlab>=2.7,<3",
            "coral-pytorch>=1.4,<2",
            "playwright>=1.49,<2",  # drives the Chromium of the system in tests/browser
        ],
        "benchmark": BENCHMARK,
        # tools/detect_faces.py needs facenet-pytorch, whose pins exclude today's torch though it
        # works with it: pip install --no-deps facenet-pytorch requests
        "lint": ["ruff", "mypy", "pre-commit"],
    },
)
