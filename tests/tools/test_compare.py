import pandas as pd

from .conftest import tool


def test_two_submissions_become_a_page_with_photos(drawn, tmp_path) -> None:
    answers = pd.read_csv(drawn / "eval_labels.csv")
    answers.to_csv(tmp_path / "a.csv", index=False)
    answers.assign(ans=0).to_csv(tmp_path / "b.csv", index=False)
    out = tmp_path / "compare.html"
    files = (tmp_path / "a.csv", tmp_path / "b.csv")
    more = ("--data-root", drawn, "--labels", drawn / "eval_labels.csv")
    done = tool("compare.py", *files, "--out", out, *more)
    assert done.returncode == 0, done.stderr
    assert "A is better" in done.stdout
    assert "data:image/webp" in out.read_text()


def test_a_file_that_is_missing_is_refused(refused, tmp_path) -> None:
    said = refused("compare.py", tmp_path / "a.csv", tmp_path / "b.csv")
    assert said == f"error: {tmp_path / 'a.csv'}: no such file"
