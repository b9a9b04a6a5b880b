import sys

import pytest

from mmmask.cli import command
from mmmask.config import load_config
from mmmask.errors import InputError
from mmmask.packages import missing_packages, require
from mmmask.shipped import find_config


def without(monkeypatch, *modules: str) -> None:
    """Let imports of modules fail as if they were not installed."""
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)


def test_what_is_needed_and_missing_is_named_with_the_command(monkeypatch) -> None:
    require("an app", "PIL", "sklearn")
    without(monkeypatch, "PIL", "sklearn")
    with pytest.raises(InputError, match=r"^an app needs PIL, sklearn: pip install pillow sci"):
        require("an app", "json", "PIL", "sklearn")


def test_a_tool_that_meets_a_missing_package_says_so(monkeypatch, capsys) -> None:
    def main() -> None:
        import mmengine.config  # noqa: F401

    without(monkeypatch, "mmengine", "mmcv")
    assert command(main) == 2
    assert capsys.readouterr().err == (
        "error: mmengine, mmcv must be installed first: pip install mmengine mmcv-lite\n"
    )


def test_a_module_that_is_no_package_of_its_own_is_a_defect() -> None:
    def main() -> None:
        import mmmask.gone  # noqa: F401

    with pytest.raises(ModuleNotFoundError):
        command(main)
    assert missing_packages("torch.gone") is None


def test_a_config_that_cannot_be_loaded_without_a_package_says_so(tmp_path, monkeypatch) -> None:
    without(monkeypatch, "optuna")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "module_of_the_user.py").write_text("import optuna\n")
    config = tmp_path / "config.py"
    base = str(find_config("mobilenet_v2_linear"))
    imports = "custom_imports = dict(imports=['module_of_the_user'])"
    config.write_text(f"_base_ = [{base!r}]\n{imports}\n")
    with pytest.raises(InputError, match=r"optuna must be installed first: pip install optuna$"):
        load_config(config)
