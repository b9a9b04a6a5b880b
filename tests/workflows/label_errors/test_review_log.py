import os

import pytest

from mmmask.errors import InputError
from mmmask.workflows.label_errors.review_log import (
    Correction,
    Decision,
    LabelIssue,
    ReviewLog,
    in_effect,
)


def decision(person: str, verdict: str = "accept") -> Decision:
    issue = LabelIssue(person, "*", "gender", "male")
    rows = (Correction(*issue, 'says "male", so'),) if verdict == "accept" else ()
    return Decision(issue, verdict, rows, "female", 1.5)


@pytest.fixture
def path(tmp_path):
    """A log of two decisions, the second of which was undone, and a third."""
    path = tmp_path / "corrections.csv.log"
    log = ReviewLog(path)
    log.add(decision("a"))
    log.add(decision("b"))
    log.undo()
    log.mark_written()
    log.add(decision("c", "keep"))
    log.close()
    return path


def test_a_log_tells_the_same_when_it_is_opened_again(path) -> None:
    log = ReviewLog(path)
    assert log.decisions == [decision("a"), decision("c", "keep")]
    assert log.before == [decision("a")]
    assert log.steps == 4
    assert not log.written


def test_the_last_decision_on_a_label_issue_counts_at_its_own_place() -> None:
    decisions = [decision("a"), decision("b"), decision("a", "keep")]
    assert in_effect(decisions) == {
        decisions[0].issue: (2, decisions[2]),
        decisions[1].issue: (1, decisions[1]),
    }


@pytest.mark.parametrize("rest", [b"{", b'{"undo": tr', b'{"undo": true}', b"\0" * 99])
def test_half_a_line_at_the_end_is_left_out_and_written_over(path, rest) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole + rest)
    log = ReviewLog(path)
    assert log.decisions == [decision("a"), decision("c", "keep")]
    assert path.read_bytes() == whole + rest  # until something is stored
    log.undo()
    assert path.read_bytes() == whole + b'{"undo": true}\n'


@pytest.mark.parametrize(
    "line",
    [
        b"no json",
        b"[]",
        b"7",
        b'{"verdict": "accept"}',
        b'{"suspect": ["a"], "verdict": "keep", "corrections": [], "was": "", "time": 1}',
        b'{"suspect": ["a","*","age","9"],"verdict":"no","corrections":[],"was":"","time":1}',
        b"\xff",
        b"",
    ],
)
def test_a_damaged_log_is_named_by_line_and_left_as_it_is(path, line) -> None:
    lines = path.read_bytes().split(b"\n")
    damaged = b"\n".join([lines[0], line, *lines[1:]])
    path.write_bytes(damaged)
    with pytest.raises(InputError, match=r"corrections\.csv\.log, line 2: damaged"):
        ReviewLog(path)
    assert path.read_bytes() == damaged


def test_an_undo_of_nothing_is_damage(path) -> None:
    path.write_bytes(b'{"undo": true}\n')
    with pytest.raises(InputError, match="line 1: damaged"):
        ReviewLog(path)


def test_what_could_not_be_written_is_refused_and_leaves_no_trace(path, monkeypatch) -> None:
    log = ReviewLog(path)
    full = OSError(28, "No space left on device")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(full))
        with pytest.raises(InputError, match="No space left on device; nothing was stored"):
            log.add(decision("d"))
    assert log.steps == 4
    log.add(decision("e"))
    log.close()
    assert [one.issue.person for one in ReviewLog(path).decisions] == ["a", "c", "e"]
