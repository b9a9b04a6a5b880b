"""The configs and tools that come with mmmask, in a checkout or in an installed package."""

import ast
from pathlib import Path

from mmmask.errors import MissingFileError, nearest

_PACKAGE = Path(__file__).parent
#: OpenMMLab's packages carry them in ``.mim``, which setup.py fills in; a checkout has no copy.
_ROOT = _PACKAGE / ".mim" if (_PACKAGE / ".mim").is_dir() else _PACKAGE.parent
CONFIGS = _ROOT / "configs"
TOOLS = _ROOT / "tools"


def scripts(folder: Path) -> dict[str, Path]:
    """Return name -> file of the Python files in a folder, by name."""
    return {path.stem: path for path in sorted(folder.glob("*.py"))}


def summary(path: Path) -> str:
    """Return the first line of a file's docstring, without running the file."""
    return (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]


def find_config(name: str | Path) -> Path:
    """Return the config file of a path, or of the name of a shipped config.

    A name may end in ``.py`` or not. A file of that name in the current folder comes first.

    Raises:
        MissingFileError: There is none; the message has the names that are most like it.
    """
    return _find(name, CONFIGS, "config", "; `mmmask configs` lists those that come with mmmask")


def find_space(name: str | Path) -> Path:
    """Return the file of a sweep's space, as :func:`find_config` does."""
    known = ", ".join(scripts(CONFIGS / "spaces"))
    return _find(name, CONFIGS / "spaces", "space", f"; those that come with mmmask: {known}")


def _find(name: str | Path, folder: Path, kind: str, otherwise: str) -> Path:
    path = Path(name)
    if path.is_file():
        return path
    shipped, stem = scripts(folder), path.name.removesuffix(".py")
    if str(name) in (stem, f"{stem}.py"):  # a name alone, no path
        local = Path(f"{stem}.py")
        if local.is_file():
            return local
        if stem in shipped:
            return shipped[stem]
    near = nearest(stem, shipped, most=3)
    raise MissingFileError(f"{name}: no such {kind} file{near or otherwise}")
