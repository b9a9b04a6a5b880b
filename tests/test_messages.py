"""Messages and help: what they name exists, and all say in one form what was received."""

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from mmmask.cli import SHARED
from tests.conftest import ROOT

SOURCES = sorted((*(ROOT / "mmmask").rglob("*.py"), *(ROOT / "tools").glob("*.py")))
#: Options of pip, of Python and of our own command, which no tool defines.
FOREIGN = {"--no-deps", "--help", "--version"}
_SPEAKS = {"add", "add_argument", "add_shared", "error", "print", "warning"}


@cache
def trees() -> dict[str, ast.Module]:
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in SOURCES}


def text_of(node: ast.expr) -> str:
    """Return a literal text, ``{}`` in place of each value."""
    if isinstance(node, ast.JoinedStr):
        return "".join(
            text_of(part) if isinstance(part, ast.Constant) else "{}" for part in node.values
        )
    return str(node.value) if isinstance(node, ast.Constant) else ""


def speaks(node: ast.AST) -> bool:
    """Return whether the texts below a node are said to users."""
    if isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        return name in _SPEAKS or name.endswith(("Error", "parser_of"))
    return isinstance(node, ast.Raise)


def said() -> Iterator[tuple[str, str]]:
    """Yield where each text stands that a user may get, and the text."""
    for where, tree in trees().items():
        for node in filter(speaks, ast.walk(tree)):
            for part in ast.walk(node):
                if isinstance(part, ast.Constant | ast.JoinedStr):
                    yield f"{where}:{part.lineno}", text_of(part)
        if where.startswith("tools/"):
            yield where, ast.get_docstring(tree) or ""


def options() -> set[str]:
    """Return all options that tools define."""
    tools = [tree for where, tree in trees().items() if where.startswith("tools/")]
    texts = {
        text_of(node) for tree in tools for node in ast.walk(tree) if isinstance(node, ast.expr)
    }
    return (
        {text for text in texts if re.fullmatch(r"--[a-z][a-z0-9-]*", text)} | {*SHARED} | FOREIGN
    )


def test_files_that_messages_name_exist() -> None:
    pattern = re.compile(r"\b(?:tools|docs|configs)/[\w/]+\.(?:py|sh|md)\b")
    named = {(path, where) for where, text in said() for path in pattern.findall(text)}
    assert len(named) > 50
    assert [one for one in named if not (ROOT / one[0]).is_file()] == []


def test_options_that_messages_name_exist() -> None:
    pattern = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*\b(?!-?\{)")
    named = {(name, where) for where, text in said() for name in pattern.findall(text)}
    assert len(named) > 200
    known = options()
    assert [one for one in named if one[0] not in known] == []


@pytest.mark.parametrize("other", [", got ", "knows the", "must be in [", " stands twice"])
def test_messages_have_one_form(other) -> None:
    assert [where for where, text in said() if other in text] == []
