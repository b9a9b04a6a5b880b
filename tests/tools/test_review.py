"""The review from the command line: who is refused, and how it ends."""

import signal
import subprocess
import sys

from tests.made_review import list_label_issues

from .conftest import ROOT


def test_bad_input_and_a_second_review_are_refused(make_layout, tmp_path, refused) -> None:
    root = make_layout([("000001", "male", 30), ("000002", "female", 61)])
    issues, out = tmp_path / "suspects.csv", tmp_path / "corrections.csv"
    list_label_issues(root, issues)
    arguments = ("review.py", issues, "--out", out, "--data-root", root, "--port", 0)
    command = [sys.executable, *map(str, (f"tools/{arguments[0]}", *arguments[1:]))]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline().startswith("review: http://127.0.0.1:")
        line = refused(*arguments)
        assert line == f"error: {out}: another review writes there; one at a time"
        running.send_signal(signal.SIGINT)
        said = running.stdout.read()
    assert said == f"0 accepted, 0 set, 0 kept, 0 for later, of 12: {out}\n"
    assert running.returncode == 0
    assert not out.exists()

    log = out.with_name("corrections.csv.log")
    log.write_text("broken\n")
    assert f"{log}, line 1: damaged; restore this file or move it away" in refused(*arguments)
    assert log.read_text() == "broken\n"
