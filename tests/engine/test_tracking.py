import pytest

from mmmask.engine import tracking
from mmmask.engine.tracking import check_installed
from mmmask.errors import InputError


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="WandbRunBackend needs wandb: pip install wandb"):
        check_installed({"type": "WandbRunBackend"})
    with pytest.raises(
        InputError, match=r"an environment of its own, pip install -e '\.\[mlflow\]'"
    ):
        check_installed({"type": "MLflowVisBackend"})


def test_a_run_without_a_record_and_a_backend_of_another_kind_need_nothing(monkeypatch):
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)
    check_installed(None)
    check_installed({"type": "LocalVisBackend"})
