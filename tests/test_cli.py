import pytest

from mmmask.cli import command
from mmmask.errors import InputError, MissingFileError


def fail(error: Exception):
    def main() -> None:
        raise error

    return main


def test_success_is_0(capsys) -> None:
    assert command(lambda: None) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("kind", [InputError, MissingFileError])
def test_input_at_fault_is_2_and_one_line(capsys, kind) -> None:
    assert command(fail(kind("train.csv, line 4: age must be\n  whole years"))) == 2
    assert capsys.readouterr().err == "error: train.csv, line 4: age must be whole years\n"


def test_an_error_from_a_data_worker_is_reduced_to_its_sentence(capsys) -> None:
    text = (
        "Caught InputError in DataLoader worker process 0.\nOriginal Traceback (most recent call"
        ' last):\n  File "x.py", line 1, in f\nmmmask.errors.InputError: a.jpg: not a photo\n'
    )
    assert command(fail(InputError(text))) == 2
    assert capsys.readouterr().err == "error: a.jpg: not a photo\n"


def test_an_interrupt_is_130(capsys) -> None:
    assert command(fail(KeyboardInterrupt())) == 130


def test_a_defect_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        command(fail(ZeroDivisionError()))
