"""The command ``mmmask``, also ``python -m mmmask``: each file of ``tools/`` as a subcommand."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from mmmask import __version__
from mmmask.cli import command
from mmmask.errors import InputError, nearest
from mmmask.shipped import TOOLS, scripts, summary

_HELP = """\
usage: mmmask TOOL [options]

{tools}

`mmmask TOOL --help` has the options of each. A TOOL is the file tools/TOOL.py of the documentation.
"""


def main() -> int:
    """Run the command line and return its exit status, as :func:`mmmask.cli.command` does."""
    return command(_run)


def _run() -> None:
    tools = scripts(TOOLS)
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help"):
        width = max(map(len, tools))
        lines = (f"  {name:{width}}  {summary(path)}" for name, path in tools.items())
        print(_HELP.format(tools="\n".join(lines)), end="")
    elif name == "--version":
        print(f"mmmask {__version__}")
    elif name in tools:
        sys.argv = [f"mmmask {name}", *arguments]
        _run_tool(tools[name])
    else:
        end = nearest(name, tools) or "; `mmmask --help` lists them"
        raise InputError(f"mmmask {name}: no such subcommand{end}")


def _run_tool(path: Path) -> None:
    spec = spec_from_file_location(f"mmmask_tool_{path.stem}", path)
    assert spec is not None and spec.loader is not None, path
    tool = module_from_spec(spec)
    spec.loader.exec_module(tool)
    tool.main()


if __name__ == "__main__":
    raise SystemExit(main())
