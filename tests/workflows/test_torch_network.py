import pytest

from mmmask.errors import InputError
from mmmask.workflows.torch_network import checked_device


@pytest.mark.parametrize("device", ["foo", "cuda:99", ""])
def test_a_device_that_torch_does_not_have_is_refused(device) -> None:
    with pytest.raises(InputError, match="--device must be one that torch has here, such as cpu"):
        checked_device(device)


def test_the_cpu_is_a_device() -> None:
    assert checked_device("cpu").type == "cpu"
