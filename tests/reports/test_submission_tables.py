import pandas as pd
import pytest

from mmmask.ledger.submissions import check_submission, enter, enter_score, read_log
from mmmask.reports.submission_tables import print_submission_check, print_submissions


def answers(*classes: int) -> pd.Series:
    index = pd.Index([f"{row}.jpg" for row in range(len(classes))], name="ImageID")
    return pd.Series(classes, index=index, name="ans")


@pytest.fixture
def ledger(tmp_path):
    """Return a ledger of three submissions, two of them equal, and one of another test set."""
    for given in (answers(0, 0, 0, 17), answers(0, 9, 0, 17), answers(0, 0, 0, 17), answers(3)):
        enter("a[b].csv", given, tmp_path, {})
    enter_score("1", 0.6, tmp_path, "with [flip]")
    return tmp_path


def test_agreement_and_shares_stand_beside_those_of_the_best(ledger, capsys) -> None:
    print_submission_check(
        check_submission(answers(0, 0, 3, 17), ledger), ["it is [stale]"], "new[1].csv"
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("new[1].csv: 3 of 10 on ")
    assert lines[0].endswith("the best so far is 1 (leaderboard 0.6000)")
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]
    assert ["18 classes", "", "", "", "75.0 %"] in cells
    assert ["mask", "wear", "75.0 %", "75.0 %", "100.0 %"] in cells
    assert ["gender", "male", "50.0 %", "75.0 %", "75.0 %"] in cells
    assert ["", ">=60", "25.0 %", "25.0 %", ""] in cells
    assert lines[-1] == "warning: it is [stale]"


def test_the_first_of_its_photos_is_compared_with_nothing(tmp_path, capsys) -> None:
    print_submission_check(check_submission(answers(0, 17), tmp_path), [], "new.csv")
    text = capsys.readouterr().out
    assert "1 of 10" in text
    assert "nothing else to compare it with" in text
    assert "same as" not in text


def test_the_log_stars_the_best_and_names_repetitions(ledger, capsys) -> None:
    print_submissions(read_log(ledger))
    lines = capsys.readouterr().out.splitlines()
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]
    assert [row[0] for row in rows] == ["1", "2", "3", "4"]
    assert [row[2] for row in rows] == ["0.6000*", "", "0.6000*", ""]
    assert [row[5] for row in rows] == ["1", "1", "1", "2"]  # the test set
    assert [row[6] for row in rows] == ["with [flip]", "", "same answers as 1", ""]
    assert "a[b].csv" in rows[0][3]
    print_submissions(read_log(ledger / "empty"))
    assert "0 submissions" in capsys.readouterr().out
