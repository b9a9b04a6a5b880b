import os

import pytest

from .conftest import cold_tool, tool, warm_python


@pytest.mark.parametrize(
    "arguments",
    [
        ("make_faces.py", "--people", "x"),
        ("runs.py", "compare", "none", "none"),
        ("score.py", "none.parquet"),
    ],
)
def test_a_fork_answers_as_a_cold_start_does(arguments) -> None:
    warm, cold = tool(*arguments), cold_tool(*arguments)
    assert (warm.returncode, warm.stdout, warm.stderr) == (
        cold.returncode,
        cold.stdout,
        cold.stderr,
    )


def test_a_script_without_end_is_killed_and_the_next_one_runs(tmp_path) -> None:
    (tmp_path / "endless.py").write_text("while True: pass")
    (tmp_path / "short.py").write_text("import sys; print(sys.argv[1:]); sys.exit(3)")
    python = warm_python()
    with pytest.raises(TimeoutError, match="no end after 1 s"):
        python.run(str(tmp_path / "endless.py"), [], os.environ, timeout=1)
    done = python.run(str(tmp_path / "short.py"), ["a"], os.environ, timeout=60)
    assert (done.returncode, done.stdout) == (3, "['a']\n")
