"""What a model says about itself, so that it can run away from its config."""

import json
import zlib
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, fields
from typing import Any

from mmmask.datasets.preparation import Preparation
from mmmask.errors import InputError
from mmmask.json_files import check_kinds, json_value
from mmmask.labels import ATTRIBUTES, CLASSES

#: Name of the entry that tells our models from others; its value is the version of the format.
MARK = "mmmask"
VERSION = 1
#: Name of the entry with the sum of the file, as which it stands there while it is summed.
SUM, _NO_SUM = "sum", b"crc32:00000000"
#: Entry, or part of it -> its type.
_KINDS = {
    "preparation": dict,
    **dict.fromkeys(("preparation.size", "preparation.at_least"), list[int]),
    "preparation.crop": list[float],
    "preparation.faces": dict,
    **dict.fromkeys(("preparation.faces.aspect", "preparation.faces.margin"), float),
    "preparation.faces.fallback": str,
    "preparation.faces.typical": list[float],
    **dict.fromkeys(("preprocessing", "provenance"), dict),
    **dict.fromkeys(("classes", "views"), list[str]),
    "attribute": str,
    "years": bool,
    "old_from": int,
}


@dataclass(frozen=True)
class ModelFacts:
    """What is needed besides the network to predict photos, and where the network comes from.

    Attributes:
        preparation: What a photo goes through before the network.
        preprocessing: The config's block, as predictions state it; also holds mean and std.
        attribute: The attribute that the model predicts alone; None: the 18 classes.
        years: Whether it models ages in years.
        old_from: First age in years that it calls old; None where it says nothing of age.
        views: The views that the config averages in test-time augmentation.
        provenance: Hashes of config and checkpoint, versions, time.
    """

    preparation: Preparation
    preprocessing: Mapping[str, Any]
    attribute: str | None
    years: bool
    old_from: int | None
    views: tuple[str, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of what the probabilities are of."""
        return CLASSES if self.attribute is None else ATTRIBUTES[self.attribute]

    def to_metadata(self) -> dict[str, str]:
        """Return the facts as an ONNX model keeps them: name -> JSON."""
        height, width = self.preparation.geometry.size
        years = "; years: float32 (N, 121), of the ages 0 to 120" if self.years else ""
        entries = {
            MARK: VERSION,
            "input": f"bgr: uint8 (N, {height}, {width}, 3), channels in the order of OpenCV",
            "outputs": f"probabilities: float32 (N, classes){years}",
            "classes": self.classes,
            **vars(self),
            "preparation": self.preparation.to_dict(),
        }
        return {name: json.dumps(value) for name, value in entries.items()}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], where: str) -> "ModelFacts":
        """Return the facts that :meth:`to_metadata` wrote.

        Args:
            metadata: Of an ONNX model.
            where: What a message calls the model.

        Raises:
            InputError: It is none of our models, or its facts are damaged.
        """
        if MARK not in metadata:
            raise InputError(
                f"{where}: a model that tools/export.py wrote is needed; this one has no metadata "
                f"{MARK!r}"
            )
        names = (MARK, "classes", *(one.name for one in fields(cls)))
        try:
            entries = {name: json_value(metadata[name], name) for name in names}
            check_kinds(deepcopy(entries), _KINDS, "of them")
            if entries[MARK] != VERSION:
                raise InputError(f"its format must be {VERSION}; got {entries[MARK]!r}")
            stated = {one.name: entries[one.name] for one in fields(cls)}
            stated |= {
                "preparation": Preparation.from_dict(entries["preparation"]),
                "preprocessing": {**entries["preprocessing"]},
                "views": tuple(entries["views"]),
                "provenance": {**entries["provenance"]},
            }
            facts = cls(**stated)
            if tuple(entries["classes"]) != facts.classes:
                got = ", ".join(entries["classes"])
                raise InputError(f"its classes must be {', '.join(facts.classes)}; got {got:.300}")
        except (LookupError, TypeError, ValueError) as error:
            raise InputError(f"{where}: its metadata are damaged: {error}") from error
        return facts


def with_sum(model: Any, facts: ModelFacts) -> bytes:
    """Return the file of an ONNX model with its facts and the sum of all of it."""
    import onnx

    onnx.helper.set_model_props(model, {**facts.to_metadata(), SUM: _NO_SUM.decode()})
    data = model.SerializeToString()
    return data.replace(_NO_SUM, b"crc32:%08x" % zlib.crc32(data))


def check_sum(data: bytes, metadata: Mapping[str, str], where: str) -> None:
    """Refuse a file of an ONNX model that is not as :func:`with_sum` made it.

    One without a sum, of an older version, passes.
    """
    if SUM not in metadata:
        return
    before, stated, after = data.partition(metadata[SUM].encode() or _NO_SUM)
    found = zlib.crc32(after, zlib.crc32(_NO_SUM, zlib.crc32(before)))
    if stated != b"crc32:%08x" % found:
        raise InputError(
            f"{where}: damaged, or changed since tools/export.py wrote it: its sum must be "
            f"{stated.decode()}; got crc32:{found:08x}; export it again"
        )
