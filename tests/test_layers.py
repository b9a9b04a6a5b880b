"""Imports inside the package point downwards only; docs/architecture.md tells of the rooms."""

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "mmmask"
#: From the ground up; rooms of one floor know nothing of each other.
FLOORS = (
    (
        *(
            "errors",
            "labels",
            "files",
            "reading",
            "json_files",
            "packages",
            "shipped",
            "option_types",
        ),
        *(
            "cli",
            "blocks",
            "config",
            "class_weights",
            "csv_files",
            "table_checks",
            "__init__",
            "__main__",
        ),
    ),
    ("tables", "structures", "known"),
    ("datasets", "models"),
    ("evaluation", "drawing"),
    ("ledger",),
    ("engine", "deploy"),
    ("register", "reports"),
    ("workflows",),
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def name_of(path: Path) -> str:
    """Return the dotted name of a module below the package."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


@cache
def imports() -> dict[str, set[str]]:
    """Return module -> the modules of the package that it imports, at any place in its text."""
    files = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
    return {name: set(imported(path, set(files))) for name, path in files.items()}


def imported(path: Path, modules: set[str]) -> Iterator[str]:
    """Yield what a file imports of the package."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative imports hide where they lead"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] != "mmmask":
                continue
            found = [".".join(parts[1:end]) for end in range(len(parts), 1, -1)]
            yield next((one for one in found if one in modules), "__init__")


def room_of(module: str) -> str:
    return module.split(".")[0]


def goes_up(module: str, target: str) -> bool:
    """Whether an import leads to a higher floor, or to another room of the same one."""
    one, other = room_of(module), room_of(target)
    if one == other or module == "__init__":  # the package's own names are imported when asked for
        return False
    ground = FLOOR_OF[one] == FLOOR_OF[other] == 0 or {one, other} == {"tables", "structures"}
    return not ground and FLOOR_OF[other] >= FLOOR_OF[one]


def test_every_room_has_its_floor() -> None:
    assert {room_of(module) for module in imports()} == set(FLOOR_OF)


def test_no_import_goes_up() -> None:
    found = [
        f"{module} imports {target}"
        for module, targets in imports().items()
        for target in sorted(targets)
        if goes_up(module, target)
    ]
    assert not found


def test_no_imports_run_in_a_circle() -> None:
    graph = {module: targets for module, targets in imports().items() if module != "__init__"}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


@pytest.mark.parametrize(
    ("module", "target", "up"),
    [
        ("datasets.layout", "tables", False),
        ("tables", "datasets.layout", True),
        ("datasets.imbalance", "models.margins", True),
        ("workflows.train", "workflows.pack", False),
        ("engine.runner", "register", True),
    ],
)
def test_the_rule_itself(module, target, up) -> None:
    assert goes_up(module, target) is up
