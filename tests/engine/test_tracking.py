import sys

import pytest

from mmmask.engine.tracking import WandbRunBackend, check_installed
from mmmask.errors import InputError


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(InputError, match="WandbRunBackend needs wandb: pip install wandb"):
        check_installed({"type": "WandbRunBackend"})
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(InputError, match="pip install mlflow, in an environment of its own"):
        check_installed({"type": "MLflowVisBackend"})


def test_a_run_of_wandb_that_cannot_begin_names_the_way_without_network(tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")

    def fail(**_):
        raise wandb.errors.UsageError("No API key configured. Use `wandb login` to log in.")

    monkeypatch.setattr(wandb, "init", fail)
    backend = WandbRunBackend(save_dir=str(tmp_path))
    with pytest.raises(InputError, match=r"No API key configured.*wandb_offline\.py"):
        backend.add_scalar("loss", 1.0)


def test_a_run_without_a_record_and_a_backend_of_another_kind_need_nothing(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    check_installed(None)
    check_installed({"type": "LocalVisBackend"})
