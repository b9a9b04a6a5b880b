import os

import pytest

from .conftest import cold_tool, fork_server, tool


@pytest.mark.parametrize(
    "arguments",
    [
        ("make_faces.py", "--people", "x"),
        ("runs.py", "compare", "none", "none"),
        ("score.py", "none.parquet"),
    ],
)
def test_a_fork_answers_as_a_cold_start_does(arguments) -> None:
    forked, cold = tool(*arguments), cold_tool(*arguments)
    assert (forked.returncode, forked.stdout, forked.stderr) == (
        cold.returncode,
        cold.stdout,
        cold.stderr,
    )


def test_a_script_without_end_is_killed_and_the_next_one_runs(tmp_path) -> None:
    (tmp_path / "endless.py").write_text("while True: pass")
    (tmp_path / "short.py").write_text("import sys; print(sys.argv[1:]); sys.exit(3)")
    server = fork_server()
    with pytest.raises(TimeoutError, match="no end after 1 s"):
        server.run(str(tmp_path / "endless.py"), [], os.environ, timeout=1)
    done = server.run(str(tmp_path / "short.py"), ["a"], os.environ, timeout=60)
    assert (done.returncode, done.stdout) == (3, "['a']\n")


def test_what_a_script_does_not_catch_ends_it_with_a_traceback(tmp_path) -> None:
    script = tmp_path / "wrong.py"
    script.write_text("import atexit; atexit.register(print, 'the end'); print('start'); 1 / 0")
    done = fork_server().run(str(script), [], os.environ, timeout=60)
    assert (done.returncode, done.stdout) == (1, "start\nthe end\n")
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")
