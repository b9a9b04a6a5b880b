"""Each option of each tool that is a number says between which limits."""

import argparse
import runpy
import sys
from collections.abc import Iterator

import pytest

from mmmask.option_types import Number

from .conftest import ROOT
from .test_help import TOOLS


class Parsed(BaseException):
    """Ends a tool where it would parse its command line; no tool catches it."""


def options_of(name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[argparse.Action]:
    """Yield the arguments of a tool, and of its subcommands."""
    seen: list[argparse.ArgumentParser] = []

    def stop(parser: argparse.ArgumentParser, *_: object) -> None:
        seen.append(parser)
        raise Parsed

    monkeypatch.setattr(sys, "argv", [name])
    with monkeypatch.context() as patch, pytest.raises(Parsed):
        patch.setattr(argparse.ArgumentParser, "parse_known_args", stop)
        runpy.run_path(str(ROOT / "tools" / name), run_name="__main__")
    for parser in seen:
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                seen.extend(action.choices.values())
            else:
                yield action


@pytest.mark.parametrize("name", TOOLS)
def test_each_number_has_limits_within_which_its_default_lies(name, monkeypatch) -> None:
    for action in options_of(name, monkeypatch):
        assert action.type not in (int, float), action.option_strings
        if not isinstance(action.type, Number):
            continue
        for text in ("nan", "inf", "-inf", "1e30", "9" * 5000, "-1", "", "x"):
            with pytest.raises(argparse.ArgumentTypeError, match=r"must be .*from .* to .*; got"):
                action.type(text)
        for value in action.default if isinstance(action.default, tuple) else [action.default]:
            if value is not None and value != argparse.SUPPRESS:
                assert action.type(str(value)) == value


def test_there_are_numbers_to_check(monkeypatch) -> None:
    options = [action for name in TOOLS for action in options_of(name, monkeypatch)]
    assert sum(isinstance(action.type, Number) for action in options) > 40


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("data_stats.py D --dark -1", "--dark must be a number from 0 to 255; got -1"),
        ("data_stats.py D --dark nan", "--dark must be a number from 0 to 255; got 'nan'"),
        ("data_stats.py D --alike 99", "--alike must be a whole number from 0 to 64; got 99"),
        (
            "label_errors.py P --out x.csv --min-score nan",
            "--min-score must be a number from 0 to 1; got 'nan'",
        ),
        (
            f"train.py C --seed {10**30}",
            f"--seed must be a whole number from 0 to 2147483647; got {10**30}",
        ),
        ("runs.py score 1 inf", "value must be a number from 0 to 1; got 'inf'"),
        (
            "report.py D --cam no",
            "--cam must be none or a whole number from 0 to 1000000; got 'no'",
        ),
        ("compare.py A B --out x.png", "--out x.png: must end in .html or .htm; got .png"),
        ("calibrate.py OOF --out x.txt", "--out x.txt: must end in .json; got .txt"),
        (
            "label_errors.py P --out x.xlsx",
            "--out x.xlsx: must end in .parquet or .csv; got .xlsx",
        ),
        ("make_faces.py", "the following arguments are required: --out, --people"),
        ("train.py C --no-such", "unrecognized arguments: --no-such"),
    ],
)
def test_a_command_line_is_refused_in_one_sentence(refused, command, sentence) -> None:
    assert refused(*command.split()) == f"error: {sentence}"
