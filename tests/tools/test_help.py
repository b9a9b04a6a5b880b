import resource
import sys
from pathlib import Path

import pytest

from .conftest import ROOT, call

TOOLS = sorted(path.name for path in (ROOT / "tools").glob("*.py"))


def seconds_of_children() -> float:
    """Return the time of the cores that ended children took, busy as the machine may be."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("name", TOOLS)
def test_help_answers_at_once_with_an_example(name: str) -> None:
    before = seconds_of_children()
    done = call(sys.executable, f"tools/{name}", "--help")
    assert seconds_of_children() - before < 3
    assert done.returncode == 0
    assert f"python tools/{name}" in done.stdout


def test_help_loads_neither_torch_nor_openmmlab() -> None:
    for name in TOOLS:
        code = (
            f"import runpy, sys; sys.argv = ['{name}', '--help']\n"
            f"try: runpy.run_path('tools/{name}', run_name='__main__')\n"
            "except SystemExit: pass\n"
            "print([m for m in sys.modules if m in ('torch', 'mmengine', 'mmpretrain', 'mmcv')])"
        )
        assert call(sys.executable, "-c", code).stdout.splitlines()[-1] == "[]", name


def test_labels_tables_and_scores_load_neither_torch_nor_openmmlab() -> None:
    code = (
        "import sys, mmmask, mmmask.labels, mmmask.tables, mmmask.evaluation.scores, mmmask.config,"
        " mmmask.datasets.layout, mmmask.datasets.splits, mmmask.drawing.drawn_faces\n"
        "print([m for m in sys.modules if m in ('torch', 'mmengine', 'mmpretrain', 'mmcv')])"
    )
    assert call(sys.executable, "-c", code).stdout == "[]\n"


def test_command_lines_stay_short() -> None:
    for name in TOOLS:
        assert len(Path(ROOT / "tools" / name).read_text().splitlines()) <= 75, name
