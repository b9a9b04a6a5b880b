"""Networks that a predictor runs: photos of their size in, probabilities out."""

import re
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from mmmask.deploy.facts import ModelFacts, check_sum
from mmmask.errors import InputError, first_line
from mmmask.labels import NUM_YEARS
from mmmask.packages import require
from mmmask.reading import check_file

#: What onnxruntime puts before its sentences: its own name, a code, file and place in its source.
_ORIGIN = re.compile(
    r"^\[ONNXRuntimeError\] : \d+ : \w+ : (Load model from .* failed: ?)?"
    r"(/\S+:\d+ .*?\) (?=[A-Z]))?"
)


class Answer(NamedTuple):
    """What a network says of a batch.

    Attributes:
        probabilities: (N, 18), or (N, C) of a model of one attribute; rows sum to 1.
        years: (N, 121) of the ages 0 to 120, of a model of years.
    """

    probabilities: NDArray[np.float32]
    years: NDArray[np.float32] | None


class Network(Protocol):
    """A network with what it says about itself.

    Attributes:
        name: What a message calls it.
        facts: How photos are prepared for it, and what its answer is.
    """

    name: str
    facts: ModelFacts

    def __call__(self, photos: NDArray[np.uint8]) -> Answer:
        """Return the answer to prepared photos, (N, height, width, 3) in BGR."""
        ...


class OnnxNetwork:
    """A model that ``tools/export.py`` wrote, run by onnxruntime without torch.

    Args:
        path: The .onnx file.
        threads: Of the computation; None: as many as onnxruntime likes.

    Raises:
        MissingFileError: There is no such file.
        InputError: It is no file, no ONNX model, or none of ours; or onnxruntime is not installed.
    """

    def __init__(self, path: str | Path, *, threads: int | None = None) -> None:
        self.name = str(path)
        check_file(path)
        require(f"{path}: an ONNX model", "onnxruntime")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors
        if threads is not None:
            options.intra_op_num_threads = threads
        wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
        present = onnxruntime.get_available_providers()
        providers = [name for name in wanted if name in present]
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=providers)
            metadata = self._session.get_modelmeta().custom_metadata_map
        except Exception as error:  # a damaged file can fail in any way
            raise InputError(
                f"{path}: not a model that onnxruntime can load: "
                + _ORIGIN.sub("", first_line(error))
            ) from error
        check_sum(Path(path).read_bytes(), metadata, self.name)
        self.facts = ModelFacts.from_metadata(metadata, self.name)
        self._outputs = ["probabilities", "years"] if self.facts.years else ["probabilities"]
        self._check_shapes()

    def __call__(self, photos: NDArray[np.uint8]) -> Answer:
        try:
            probabilities, *years = self._session.run(self._outputs, {"bgr": photos})
        except Exception as error:  # of a graph that is not what its shapes say
            raise InputError(
                f"{self.name}: fails on {len(photos)} photos: " + _ORIGIN.sub("", first_line(error))
            ) from error
        if len(probabilities) != len(photos):
            raise InputError(
                f"{self.name}: must answer each photo; got {len(probabilities)} answers to "
                f"{len(photos)} photos"
            )
        return Answer(probabilities, years[0] if years else None)

    def _check_shapes(self) -> None:
        """Refuse a network that is not what its facts say."""
        sizes = [len(self.facts.classes), NUM_YEARS]
        expected = {
            "bgr": ["tensor(uint8)", "N", *self.facts.preparation.geometry.size, 3],
            **{
                name: ["tensor(float)", "N", size]
                for name, size in zip(self._outputs, sizes, strict=False)
            },
        }
        found = {}
        for value in [*self._session.get_inputs(), *self._session.get_outputs()]:
            count, *shape = value.shape or [0]
            found[value.name] = [value.type, count if isinstance(count, int) else "N", *shape]
        if found != expected:
            raise InputError(f"{self.name}: inputs and outputs must be {expected}; got {found}")
