"""A stand-in for the processes in which studies train and predict."""

import os
import sys
from collections.abc import Callable

import pytest

from mmmask.workflows.studies import commands


@pytest.fixture
def stand_in(tmp_path, monkeypatch) -> Callable[[str], None]:
    """Return a function that puts a text in the place of ``mmmask.workflows.studies.step``."""

    def put(text: str) -> None:
        (tmp_path / "stand_in.py").write_text(text)
        path = f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        monkeypatch.setenv("PYTHONPATH", path)
        monkeypatch.setattr(commands, "STEP", (sys.executable, "-m", "stand_in"))

    return put
