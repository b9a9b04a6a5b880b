import re
import subprocess
import sys

import pytest

from mmmask.__main__ import main
from mmmask.shipped import TOOLS, scripts, summary

NAMES = list(scripts(TOOLS))


@pytest.fixture
def mmmask(monkeypatch, capsys):
    """Return a function that runs the command and returns exit status, output and errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["mmmask", *arguments])
        try:
            status = main()
        except SystemExit as ended:  # of argparse
            status = ended.code
        return (status, *capsys.readouterr())

    return run


@pytest.mark.parametrize("arguments", [(), ("-h",), ("--help",)])
def test_help_lists_every_tool_with_its_first_line(mmmask, arguments) -> None:
    status, output, _ = mmmask(*arguments)
    assert status == 0
    for name, path in scripts(TOOLS).items():
        assert re.search(rf"^  {name} +{re.escape(summary(path))}$", output, re.M), name


@pytest.mark.parametrize("name", NAMES)
def test_the_help_of_a_tool_speaks_of_the_subcommand(mmmask, name) -> None:
    status, output, _ = mmmask(name, "--help")
    assert status == 0
    assert output.startswith(f"usage: mmmask {name} [")
    assert f" mmmask {name} " in output.split("\n\n", 1)[1].replace("\n", " ")
    assert not re.search(r"tools/|configs/\w+\.py", output)


def test_an_unknown_subcommand_is_told_with_the_one_most_like_it(mmmask) -> None:
    sentence = "error: mmmask tranin: no such subcommand; did you mean train\n"
    assert mmmask("tranin") == (2, "", sentence)
    assert mmmask("zzz")[2] == "error: mmmask zzz: no such subcommand; `mmmask --help` lists them\n"


def test_input_at_fault_is_2_and_one_line(mmmask) -> None:
    status, _, errors = mmmask("runs", "compare", "gone", "gone")
    assert status == 2
    assert re.fullmatch(r"error: gone.*\n", errors)


def test_help_loads_only_what_comes_with_python() -> None:
    code = (
        "import sys; before = set(sys.modules); sys.argv = ['mmmask']\n"
        "from mmmask.__main__ import main; main()\n"
        "names = {name.partition('.')[0] for name in {*sys.modules} - before}\n"
        "print(sorted(names - {'mmmask', *sys.stdlib_module_names}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
