"""The ledger of submissions, on small tables."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmmask.errors import InputError, MissingFileError
from mmmask.labels import encode
from mmmask.ledger import submissions
from mmmask.ledger.submissions import (
    agreement,
    check_submission,
    copy_of,
    enter,
    enter_score,
    hashes,
    ledger_folder,
    read_log,
    read_submission,
    shares,
    warnings_of,
)

PHOTOS = [f"{number:04x}.jpg" for number in range(60)]


def answers(seed: int, photos: list[str] = PHOTOS) -> pd.Series:
    classes = np.random.default_rng(seed).integers(18, size=len(photos))
    return pd.Series(classes, index=pd.Index(photos, name="ImageID"), name="ans")


@pytest.fixture
def days(monkeypatch):
    """Return a function that sets today's date."""

    def today(day: str) -> None:
        monkeypatch.setattr(submissions, "now", lambda: f"{day}T10:00:00+0900")

    today("2024-05-01")
    return today


@pytest.fixture
def csv(tmp_path):
    """Return a function that writes answers as a csv made elsewhere."""

    def csv(given: pd.Series, name: str = "elsewhere.csv") -> str:
        given.reset_index().to_csv(tmp_path / name, index=False)
        return str(tmp_path / name)

    return csv


def test_a_submission_is_logged_with_its_origin_and_a_copy(tmp_path, days, monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["tools/test.py", "a b.py"])
    origin = {"checkpoint": "runs/a/epoch_9.pth", "config_hash": "abc", "predictions": "p.parquet"}
    assert enter("first.csv", answers(1), tmp_path, origin) == 1
    assert enter("second.csv", answers(2), tmp_path, {}) == 2
    log = read_log(tmp_path)
    first, second = log.to_dict("records")
    assert first["path"] == str(Path("first.csv").absolute())
    assert (first["checkpoints"], first["config_hash"]) == ("runs/a/epoch_9.pth", "abc")
    assert first["predictions"] == "p.parquet"
    assert first["time"].startswith("2024-05-01")
    assert first["command"] == "tools/test.py 'a b.py'"
    assert pd.isna(second["checkpoints"])
    assert pd.isna(second["score"])
    assert copy_of(tmp_path, 1).name == "0001.csv"
    assert read_submission(copy_of(tmp_path, 1)).equals(answers(1))


def test_equal_answers_are_found_whatever_the_order_of_their_rows(tmp_path, days) -> None:
    enter("first.csv", answers(1), tmp_path, {})
    enter("second.csv", answers(2), tmp_path, {})
    again = check_submission(answers(1).sample(frac=1, random_state=0), tmp_path)
    assert again.duplicates["number"].tolist() == [1]
    (warning,) = warnings_of(again)
    assert "the same answers as submission 1 of 2024-05-01" in warning
    changed = answers(1)
    changed.iloc[7] = (changed.iloc[7] + 1) % 18
    assert warnings_of(check_submission(changed, tmp_path)) == []


def test_the_count_is_of_todays_different_submissions_of_these_photos(tmp_path, days) -> None:
    for seed in range(9):
        enter("a.csv", answers(seed), tmp_path, {})
    enter("again.csv", answers(3), tmp_path, {})
    enter("drawn.csv", answers(3, PHOTOS[:20]), tmp_path, {})
    tenth = check_submission(answers(90), tmp_path)
    assert (tenth.count, tenth.day, warnings_of(tenth)) == (10, "2024-05-01", [])
    enter("b.csv", answers(90), tmp_path, {})
    assert check_submission(answers(90), tmp_path).count == 10
    eleventh = check_submission(answers(91), tmp_path)
    assert eleventh.count == 11
    assert warnings_of(eleventh) == ["11 submissions today, 10 are taken"]
    days("2024-05-02")
    assert check_submission(answers(91), tmp_path).count == 1
    repeated = check_submission(answers(3), tmp_path)
    assert repeated.count == 1
    assert len(warnings_of(repeated)) == 1


def test_it_is_compared_with_the_best_or_while_there_is_no_score_with_the_last(
    tmp_path, days
) -> None:
    assert check_submission(answers(1), tmp_path).against is None
    for seed in (1, 2, 3):
        enter("a.csv", answers(seed), tmp_path, {})
    enter("drawn.csv", answers(4, PHOTOS[:20]), tmp_path, {})
    assert check_submission(answers(9), tmp_path).against["number"] == 3
    enter_score("1", 0.7, tmp_path)
    enter_score("2", 0.6, tmp_path)
    enter_score("4", 0.9, tmp_path)
    seen = check_submission(answers(9), tmp_path)
    assert seen.against["number"] == 1
    assert seen.agreement == agreement(answers(9).to_numpy(), answers(1).to_numpy())
    for name, share in shares(answers(1).to_numpy()).items():
        assert np.array_equal(seen.shares_against[name], share)
    assert check_submission(answers(1), tmp_path).against["number"] == 2  # never with itself


def test_without_its_copy_the_best_is_named_and_not_compared(tmp_path, days) -> None:
    enter("a.csv", answers(1), tmp_path, {})
    copy_of(tmp_path, 1).unlink()
    seen = check_submission(answers(2), tmp_path)
    assert seen.against["number"] == 1
    assert seen.agreement == {}


def test_agreement_and_shares_are_those_of_a_loop() -> None:
    one = [encode(0, 1, 2), encode(1, 0, 0), encode(2, 1, 1), encode(2, 1, 1)]
    other = [encode(0, 1, 2), encode(1, 1, 0), encode(0, 0, 1), encode(2, 1, 2)]
    expected = {"overall": 1 / 4, "mask": 3 / 4, "gender": 2 / 4, "age": 3 / 4}
    assert agreement(np.array(one), np.array(other)) == expected
    found = shares(np.array(one))
    assert found["mask"].tolist() == [0.25, 0.25, 0.5]
    assert found["gender"].tolist() == [0.25, 0.75]
    assert found["age"].tolist() == [0.25, 0.5, 0.25]


def test_a_score_is_entered_by_number_or_file_and_holds_for_equal_answers(
    tmp_path, days, csv
) -> None:
    for number, seed in enumerate((1, 2, 1), start=1):
        assert enter(f"{number}.csv", answers(seed), tmp_path, {}) == number
    assert enter_score("1", 0.7, tmp_path, "flip")["number"] == 1
    assert read_log(tmp_path)["score"].fillna(0).tolist() == [0.7, 0, 0.7]
    assert read_log(tmp_path)["note"].fillna("").tolist() == ["flip", "", ""]
    enter_score(csv(answers(2)), 0.5, tmp_path)
    assert read_log(tmp_path)["score"].tolist() == [0.7, 0.5, 0.7]
    enter("4.csv", answers(2), tmp_path, {})
    assert read_log(tmp_path)["score"].tolist() == [0.7, 0.5, 0.7, 0.5]


def test_a_score_of_a_csv_made_elsewhere_enters_it(tmp_path, days, csv) -> None:
    row = enter_score(csv(answers(5)), 0.61, tmp_path)
    assert (row["number"], row["score"]) == (1, 0.61)
    assert check_submission(answers(5), tmp_path).duplicates["number"].tolist() == [1]


def test_input_at_fault_changes_nothing(tmp_path, days, csv) -> None:
    enter("a.csv", answers(1), tmp_path, {})
    before = (tmp_path / "log.csv").read_bytes()
    wrong = answers(2)
    wrong.iloc[3] = 18
    for which, score, kind, sentence in [
        ("2", 0.5, InputError, "has no submission 2"),
        ("1", 73.3, InputError, "must be a macro F1 from 0 to 1; got 73.3"),
        ("1", float("nan"), InputError, "from 0 to 1"),
        ("gone.csv", 0.5, MissingFileError, "gone.csv: no such file"),
        (csv(wrong), 0.5, InputError, "line 5: ans must be from 0 to 17; got 18"),
        (
            csv(pd.concat([wrong[:3], wrong[:1]]), "twice.csv"),
            0.5,
            InputError,
            "0000.jpg appears twice",
        ),
    ]:
        with pytest.raises(kind, match=sentence):
            enter_score(which, score, tmp_path)
    assert (tmp_path / "log.csv").read_bytes() == before


def test_hashes_tell_answers_and_photos() -> None:
    one = hashes(answers(1))
    assert one == hashes(answers(1).iloc[::-1])
    assert one[1] == hashes(answers(2))[1]
    assert one[0] != hashes(answers(2))[0]
    assert one[1] != hashes(answers(1, PHOTOS[1:]))[1]


def test_submissions_of_many_processes_at_once_are_all_there(tmp_path) -> None:
    code = (
        "import sys, numpy as np, pandas as pd\n"
        "from pathlib import Path\n"
        "from mmmask.ledger.submissions import enter\n"
        "for number in range(6):\n"
        "    classes = pd.Series([int(sys.argv[1]), number], index=['a', 'b'], name='ans')\n"
        "    classes.index.name = 'ImageID'\n"
        "    enter('x.csv', classes, Path(sys.argv[2]), {})\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(rank), str(tmp_path)])
        for rank in range(3)
    ]
    assert [process.wait() for process in processes] == [0] * 3
    log = read_log(tmp_path)
    assert log["number"].tolist() == list(range(1, 19))
    assert log["answers"].nunique() == 18
    for number, hashed in zip(log["number"], log["answers"], strict=True):
        assert hashes(read_submission(copy_of(tmp_path, number)))[0] == hashed


def test_the_environment_says_where_the_ledger_is(monkeypatch) -> None:
    assert os.environ["MMMASK_LEDGER"] == str(ledger_folder())  # that of the tests, not the user's
    monkeypatch.delenv("MMMASK_LEDGER")
    assert ledger_folder() == Path("work_dirs/submissions")


def test_photos_of_the_test_set_stay_in_the_log(tmp_path, days) -> None:
    enter("marked.csv", answers(1), tmp_path, {"pseudo_labels": {"from_test_set": 7}})
    (learned,) = read_log(tmp_path)["learned"]
    assert learned.startswith("trained on photos of the test set (7 with labels")
    again = warnings_of(check_submission(answers(1), tmp_path), [learned])
    assert again[1:] == [learned]  # once


def test_a_table_is_no_submission(tmp_path) -> None:
    (tmp_path / "p.parquet").write_bytes(b"PAR1\xff")
    with pytest.raises(InputError, match=r"p\.parquet: a submission is a csv \(ImageID, ans\)"):
        read_submission(tmp_path / "p.parquet")


def test_a_submission_is_read_with_names_in_one_form(csv) -> None:
    decomposed = answers(0, ["e\u0301.jpg", "b.jpg"])
    assert read_submission(csv(decomposed)).index.tolist() == ["\u00e9.jpg", "b.jpg"]
