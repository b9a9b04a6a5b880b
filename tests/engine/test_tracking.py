import sys

import pytest

from mmmask.engine.tracking import check_installed
from mmmask.errors import InputError


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(InputError, match="WandbRunBackend needs wandb: pip install wandb"):
        check_installed({"type": "WandbRunBackend"})
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(InputError, match="pip install mlflow, in an environment of its own"):
        check_installed({"type": "MLflowVisBackend"})


def test_a_run_without_a_record_and_a_backend_of_another_kind_need_nothing(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    check_installed(None)
    check_installed({"type": "LocalVisBackend"})
