"""Outputs are checked before the work, and a write that fails ends in one sentence."""

import argparse
import runpy
from functools import cache
from pathlib import Path

import pytest

from mmmask.errors import InputError
from mmmask.option_types import OUTPUTS, made_file, output_file, output_folder, output_path

from .conftest import ROOT

TOOLS = sorted(path.stem for path in (ROOT / "tools").glob("*.py"))
#: Options whose values are files or folders that are only read.
READ = {
    *("--boxes", "--calibration", "--causes", "--config", "--corrections", "--data-root"),
    *("--eval-table", "--images", "--labels", "--oof", "--photos", "--pretrained", "--prior"),
    *("--resume", "--samples", "--soup", "--space", "--table", "--tables", "--tags", "--teacher"),
    *("--techniques", "--video"),
}
#: Options whose values are words.
WORDS = {
    *("--backbones", "--cfg-options", "--columns", "--contenders", "--decision", "--device"),
    *("--engine", "--map", "--method", "--note", "--pruner", "--set", "--source"),
}
#: Read by some tools, and made by others.
EITHER = {"--features"}


class _ParserError(Exception):
    """Carries the parser of a tool."""


@cache
def parser_of_tool(tool: str) -> argparse.ArgumentParser:
    """Return the parser of a tool, to which no argument is missing."""

    def stop(parser: argparse.ArgumentParser, *_: object) -> None:
        raise _ParserError(parser)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mmmask.cli._Parser.parse_args", stop)
        main = runpy.run_path(str(ROOT / "tools" / f"{tool}.py"), run_name="tool")["main"]
        with pytest.raises(_ParserError) as found:
            main()
    (parser,) = found.value.args
    for action in parser._actions:
        action.required = False
    return parser


def outputs(tool: str) -> dict[str, object]:
    """Return the options of a tool that name an output, with their types."""
    actions = parser_of_tool(tool)._actions
    return {one.option_strings[0]: one.type for one in actions if one.type in OUTPUTS}


WRITING = [(tool, option) for tool in TOOLS for option in outputs(tool)]


@pytest.mark.parametrize("tool", TOOLS)
def test_an_option_with_a_value_is_read_or_a_word_or_checked_as_an_output(tool) -> None:
    for action in parser_of_tool(tool)._actions:
        takes_text = action.nargs != 0 and not action.choices and action.type in (None, str, Path)
        for name in action.option_strings:
            if takes_text:
                assert name in READ | WORDS | EITHER, f"{tool} {name}: output_file, or read?"
            assert not (action.type in OUTPUTS and name in READ | WORDS)


def test_most_tools_write() -> None:
    assert len({tool for tool, _ in WRITING}) >= 28


@pytest.mark.parametrize(("tool", "option"), WRITING)
def test_an_output_that_cannot_be_written_is_refused_when_parsing(tool, option, tmp_path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    kind = outputs(tool)[option]
    bad = {
        tmp_path / "file" / "x.csv": "is a file, not a folder",
        Path("/proc/x.csv"): "/proc takes no file",
        tmp_path / "new" / ("n" * 300): "File name too long",
    }
    if kind in (output_file, made_file):
        bad |= {
            tmp_path / "folder": "must be a file to write; it is a folder",
            Path("/dev/full"): "must be a file to write; it is a device or a pipe",
        }
    if kind is output_folder:
        bad[tmp_path / "file"] = "must be a folder to write in; it is a file"
    for path, sentence in bad.items():
        with pytest.raises(InputError, match=sentence) as refused:
            parser_of_tool(tool).parse_args([option, str(path)])
        assert str(refused.value).startswith(f"{option} {path}: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.parametrize(
    ("tool", "option"),
    [pair for pair in WRITING if outputs(pair[0])[pair[1]] in (output_file, output_path)],
)
def test_what_is_read_is_not_written_over(tool, option, tmp_path) -> None:
    (tmp_path / "train" / "images").mkdir(parents=True)
    (tmp_path / "train" / "train.csv").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("")
    given = next(
        action.option_strings[:1]
        for action in parser_of_tool(tool)._actions
        if action.type in (None, str, Path) and action.nargs != 0 and not action.choices
    )
    parse = parser_of_tool(tool).parse_args
    with pytest.raises(
        InputError, match=rf"^{option} .*t\.csv: must not be written, as it is read"
    ):
        parse([*given, f"{tmp_path}/link", option, f"{tmp_path}/train/../t.csv"])
    for name in ("images/p/x.png", "train.csv"):
        with pytest.raises(InputError, match=rf"{name}: must not be among the photos and labels"):
            parse([option, f"{tmp_path}/train/{name}"])


def test_nor_what_an_option_of_the_config_names(tmp_path) -> None:
    (tmp_path / "t.csv").write_text("")
    parse = parser_of_tool("test").parse_args
    for value in (f"data.table={tmp_path}/t.csv", f"data.table=[a.csv,{tmp_path}/t.csv]"):
        with pytest.raises(InputError, match=r"t\.csv: must not be written, as it is read"):
            parse(["--cfg-options", value, "--out", f"{tmp_path}/t.csv"])
    parse(["--cfg-options", "data.table=none.csv", "--out", f"{tmp_path}/t.csv"])


def test_what_a_link_leads_to_is_checked_and_what_exists_may_be_replaced(tmp_path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    (tmp_path / "former.html").write_text("former")
    parse = parser_of_tool("report").parse_args
    parse(["--out", str(tmp_path / "former.html")])
    parse(["--out", str(tmp_path / "a" / "b" / "new.html")])
    assert (tmp_path / "former.html").read_text() == "former"
    with pytest.raises(InputError, match="it is a folder"):
        parse(["--out", str(tmp_path / "link")])


def test_two_outputs_are_two_files(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="--out and --plot both name"):
        parser_of_tool("ensemble").parse_args(["--out", "a.png", "--plot", f"{tmp_path}/a.png"])


def test_a_default_is_checked_too(tmp_path, monkeypatch) -> None:
    (tmp_path / "compare.html").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"--out compare\.html: .* it is a folder"):
        parser_of_tool("compare").parse_args([])


def test_a_pack_that_is_there_need_not_be_writable(tmp_path) -> None:
    given = ["--pack", "/proc/version"]  # a file of a folder that takes none
    assert parser_of_tool("train").parse_args(given).pack == Path("/proc/version")
