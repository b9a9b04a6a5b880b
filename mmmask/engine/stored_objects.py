"""What MMEngine's own checkpoints hold besides tensors, read without trusting the file.

While a file is unpickled, each such name in it stands for an inert record, which only keeps what
the file says. Afterwards :func:`revive` checks the records and makes the real objects. The real
constructors stay out of a file's reach, because ``getattr`` leads to the globals of any module,
``numpy.dtype.__setstate__`` can turn bytes of the file into object pointers, and
``HistoryBuffer.__setstate__`` replaces methods of the class.
"""

import re
from collections.abc import Callable
from math import inf
from typing import Any, Self

import numpy as np
from mmengine.logging import HistoryBuffer
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler


class RefusedContentError(ValueError):
    """A file asks for an object that no checkpoint of ours needs."""


class _Record:
    """The arguments and the state that the file gives to an object."""

    args: tuple
    state: Any

    def __new__(cls, *args: Any) -> Self:
        record = super().__new__(cls)
        record.args, record.state = args, None
        return record

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def revive(self) -> Any:
        raise RefusedContentError(f"an object of type {type(self).__name__.strip('_')}")


class _ArrayType(_Record):
    """The name ``numpy.ndarray``, an argument of ``_reconstruct``."""


class _Dtype(_Record):
    """``numpy.dtype(code, align, copy)`` with the byte order as state; plain numbers and text."""

    def revive(self) -> np.dtype:
        code = str(self.args[0])
        if not re.fullmatch(r"b1|[iu][1248]|f[248]|c(8|16)|[SU]\d{1,9}", code):
            raise RefusedContentError(f"a numpy array of dtype {code!r}")
        order = "" if self.state is None or self.state[1] != ">" else ">"
        return np.dtype(order + code)


class _Scalar(_Record):
    """``numpy._core.multiarray.scalar(dtype, raw)``."""

    def revive(self) -> np.generic:
        dtype, raw = self.args
        return np.frombuffer(raw, dtype.revive())[0]


class _Array(_Record):
    """``numpy._core.multiarray._reconstruct(...)`` with (version, shape, dtype, fortran, raw)."""

    def revive(self) -> np.ndarray:
        _, shape, dtype, fortran, raw = self.state
        flat = np.frombuffer(raw, dtype.revive())
        return flat.reshape(shape, order="F" if fortran else "C").copy(order="K")


class _History(_Record):
    """``mmengine.logging.HistoryBuffer``; its methods are not taken from the file."""

    METHODS = ("min", "max", "current", "mean")

    def revive(self) -> HistoryBuffer:
        values, counts = (self.state[key].revive() for key in ("_log_history", "_count_history"))
        return HistoryBuffer(values, counts, int(self.state["max_length"]))


class _OneCycle(_Record):
    """The name of MMEngine's one-cycle schedule, which stores one of its two functions."""

    METHODS = ("_annealing_cos", "_annealing_linear")


class _Attribute(_Record):
    """``getattr(owner, name)``, for the few methods that the two owners store."""

    OWNERS = {_History: HistoryBuffer, _OneCycle: OneCycleParamScheduler}  # noqa: RUF012

    def __new__(cls, *args: Any) -> Self:
        if len(args) != 2 or args[0] not in cls.OWNERS or args[1] not in args[0].METHODS:
            raise RefusedContentError(f"getattr(..., {', '.join(map(repr, args[1:])):.80})")
        return super().__new__(cls, *args)

    def revive(self) -> Callable:
        owner, name = self.args
        return getattr(self.OWNERS[owner], name)


def _empty_bytes() -> bytes:
    """Stand for ``bytes()``, by which an array without items is stored."""
    return b""


_NAMES: dict[str, Callable] = {
    "builtins.bytes": _empty_bytes,
    "mmengine.logging.history_buffer.HistoryBuffer": _History,
    "mmengine.optim.scheduler.param_scheduler.OneCycleParamScheduler": _OneCycle,
    "builtins.getattr": _Attribute,
    "numpy.dtype": _Dtype,
    "numpy.ndarray": _ArrayType,
    "numpy.core.multiarray.scalar": _Scalar,  # numpy 1
    "numpy.core.multiarray._reconstruct": _Array,
    "numpy._core.multiarray.scalar": _Scalar,  # numpy 2
    "numpy._core.multiarray._reconstruct": _Array,
}

#: Items of a checkpoint's containers; those of the largest networks have some ten thousand.
MOST_ITEMS = 10_000_000

#: What ``torch.serialization.safe_globals`` takes: what stands for a name, and the name.
SAFE_GLOBALS = [(record, name) for name, record in _NAMES.items()]


def revive(value: Any) -> Any:
    """Return ``value`` with every record in its dicts, lists and tuples made a real object.

    Raises:
        RefusedContentError: A record is not of the kind that MMEngine stores, or lists share or
            hold each other so that walking through them would take forever.
    """
    if _items(value, {}) > MOST_ITEMS:
        raise RefusedContentError("lists within lists without end")
    return _revived(value)


def _items(value: Any, known: dict[int, float]) -> float:
    """Return how many items a container has, those of what it holds included, each time anew.

    A container that holds itself has infinitely many.
    """
    if not isinstance(value, (dict, list, tuple)):
        return 1
    if id(value) not in known:
        known[id(value)] = inf  # until it is known, it is being asked about
        held = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_items(item, known) for item in held)
    return known[id(value)]


def _revived(value: Any) -> Any:
    if isinstance(value, _Record):
        return value.revive()
    if isinstance(value, dict):
        for key in value:
            value[key] = _revived(value[key])
    elif isinstance(value, list):
        value[:] = map(_revived, value)
    elif type(value) is tuple:
        return tuple(map(_revived, value))
    return value
