import io

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.optim import OneCycleLR, OptimWrapper

from mmmask.engine.checkpoints import load_checkpoint_file
from mmmask.errors import InputError


def through_a_file(value, tmp_path, *, rename: tuple[bytes, bytes] = (b"", b"")):
    buffer = io.BytesIO()
    torch.save({"value": value}, buffer, _use_new_zipfile_serialization=False)
    file = tmp_path / "stored.pth"
    file.write_bytes(buffer.getvalue().replace(*rename) if rename[0] else buffer.getvalue())
    return load_checkpoint_file(file)["value"]


ARRAYS = {
    "float64": np.array([[1.5, 2.5], [3.5, 4.5]]),
    "big endian": np.array([1, 2, 3], dtype=">i4"),
    "fortran order": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "bool": np.array([True, False]),
    "text": np.array(["wear", "normal"]),
    "complex": np.array([1 + 2j]),
    "no dimension": np.array(7),
    "empty": np.zeros((0, 3), dtype=np.float32),
}


@pytest.mark.parametrize("numpy_1", [False, True], ids=["numpy 2 names", "numpy 1 names"])
@pytest.mark.parametrize("kind", ARRAYS)
def test_numpy_arrays_come_back_as_they_were(tmp_path, kind, numpy_1):
    rename = (b"numpy._core.", b"numpy.core.") if numpy_1 else (b"", b"")
    back = through_a_file(ARRAYS[kind], tmp_path, rename=rename)
    assert type(back) is np.ndarray
    assert back.dtype == ARRAYS[kind].dtype
    assert back.shape == ARRAYS[kind].shape
    assert np.array_equal(back, ARRAYS[kind])
    assert back.flags.writeable


@pytest.mark.parametrize("scalar", [np.float64(0.25), np.int32(-3), np.bool_(True), np.str_("a")])
def test_numpy_scalars_and_dtypes_come_back_as_they_were(tmp_path, scalar):
    back, dtype = through_a_file((scalar, scalar.dtype), tmp_path)
    assert type(back) is type(scalar)
    assert back == scalar
    assert dtype == scalar.dtype


def test_objects_deep_inside_lists_tuples_and_dicts_come_back(tmp_path):
    back = through_a_file([({"score": np.float64(0.5)}, 1)], tmp_path)
    assert back == [({"score": 0.5}, 1)]
    assert type(back[0][0]["score"]) is np.float64


def test_a_history_comes_back_and_goes_on(tmp_path):
    history = HistoryBuffer([1.0, 2.0], [1, 1], max_length=10)
    back = through_a_file(history, tmp_path)
    assert type(back) is HistoryBuffer
    assert back.max_length == 10
    back.update(6.0)
    assert (back.mean(), back.current(), back.statistics("max")) == (3.0, 6.0, 6.0)


def test_a_history_cannot_replace_the_statistics_of_the_class(tmp_path):
    methods = dict(HistoryBuffer._statistics_methods)
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    history.__dict__["_statistics_methods"] = {**methods, "mean": HistoryBuffer.max}
    back = through_a_file(history, tmp_path)
    assert HistoryBuffer._statistics_methods == methods
    assert back.statistics("mean") == 1.5


class ForgedDtype:
    """Says of float64 that its items are python objects (flags 63)."""

    def __reduce__(self):
        return np.dtype, ("f8", False, True), (3, "<", None, None, None, -1, -1, 63)


def test_a_forged_dtype_cannot_turn_numbers_into_object_pointers(tmp_path):
    assert not through_a_file(ForgedDtype(), tmp_path).hasobject


@pytest.mark.parametrize(
    "array",
    [np.array([None], dtype=object), np.zeros(1, dtype=[("a", "f4")]), np.zeros(1, dtype="M8[s]")],
    ids=["objects", "records", "dates"],
)
def test_arrays_of_anything_but_numbers_and_text_are_refused(tmp_path, array):
    with pytest.raises(InputError, match="dtype"):
        through_a_file(array, tmp_path)


@pytest.mark.parametrize("strategy", ["cos", "linear"])
def test_the_one_cycle_schedule_comes_back_with_its_function(tmp_path, strategy):
    optimizer = OptimWrapper(torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1))
    schedule = OneCycleLR(optimizer, eta_max=1.0, total_steps=9, anneal_strategy=strategy)
    back = through_a_file(schedule.state_dict(), tmp_path)
    assert back["anneal_func"] is schedule.anneal_func


def test_lists_that_would_be_walked_through_forever_are_refused(tmp_path) -> None:
    shared: list = []
    for _ in range(60):
        shared = [shared, shared]
    within: list = []
    within.append(within)
    for content in (shared, within):
        torch.save({"state_dict": {}, "meta": content}, tmp_path / "x.pth")
        with pytest.raises(InputError, match="it holds lists within lists without end"):
            load_checkpoint_file(tmp_path / "x.pth")
