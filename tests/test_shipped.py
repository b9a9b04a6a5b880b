from pathlib import Path

import pytest

from mmmask.errors import MissingFileError
from mmmask.shipped import CONFIGS, find_config, find_space, scripts, summary

NAME = "mobilenet_v2_arcface"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", [NAME, f"{NAME}.py", str(CONFIGS / f"{NAME}.py")])
def test_a_config_is_meant_by_its_name_or_path(name) -> None:
    assert find_config(name) == find_config(Path(name)) == CONFIGS / f"{NAME}.py"


@pytest.mark.parametrize("name", [NAME, f"{NAME}.py"])
def test_a_file_of_that_name_in_the_current_folder_comes_first(name) -> None:
    Path(f"{NAME}.py").touch()
    assert find_config(name) == Path(f"{NAME}.py")


def test_a_space_has_a_name_too() -> None:
    assert find_space("arcface") == CONFIGS / "spaces/arcface.py"
    with pytest.raises(
        MissingFileError,
        match=r"^zzz: no such space file; .* mmmask: arcface, partial_labels, sources, techniques$",
    ):
        find_space("zzz")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("mobilnet_v2_arcface", f"no such config file; did you mean {NAME} or "),
        (f"configs/{NAME}.py", f"no such config file; did you mean {NAME} or "),
        (f"gone/{NAME}", f"no such config file; did you mean {NAME} or "),
        ("zzz.py", "no such config file; `mmmask configs` lists those that come with mmmask"),
    ],
)
def test_an_unknown_name_is_told_with_those_most_like_it(name, sentence) -> None:
    with pytest.raises(MissingFileError) as refused:
        find_config(name)
    assert str(refused.value).startswith(f"{name}: {sentence}")


def test_the_first_line_of_a_file_is_read_without_running_it() -> None:
    path = Path("x.py")
    path.write_text('"""One line.\n\nMore.\n"""\nraise SystemExit\n')
    assert summary(path) == "One line."
    path.write_text("x = 1\n")
    assert summary(path) == ""


def test_every_config_has_a_first_line() -> None:
    assert [name for name, path in scripts(CONFIGS).items() if not summary(path)] == []
