"""Submissions of photos whose names the csv and the predictions have in two forms of Unicode."""

import unicodedata

import numpy as np
import pandas as pd
import pytest

from mmmask.tables import predictions_table
from mmmask.workflows.submission import read_answers, write_submission

NAMES = ["caf\u00e9.jpg", "\uac00\uc744.jpg", "plain.jpg"]


@pytest.mark.parametrize("csv_form", ["NFC", "NFD"])
@pytest.mark.parametrize("table_form", ["NFC", "NFD"])
def test_a_submission_keeps_the_spelling_of_info_csv(tmp_path, csv_form, table_form) -> None:
    spelled = [unicodedata.normalize(csv_form, name) for name in NAMES]
    csv = pd.DataFrame({"ImageID": spelled, "ans": 0})
    (tmp_path / "eval").mkdir()
    csv.to_csv(tmp_path / "eval" / "info.csv", index=False)
    images = [f"eval/images/{unicodedata.normalize(table_form, name)}" for name in NAMES[::-1]]
    table = predictions_table(pd.DataFrame({"image": images}), np.eye(18)[[7, 8, 9]])
    write_submission(tmp_path / "s.csv", table, tmp_path)
    written = pd.read_csv(tmp_path / "s.csv")
    assert written["ImageID"].tolist() == spelled
    assert written["ans"].tolist() == [9, 8, 7]
    assert read_answers(tmp_path / "s.csv", table)["label"].tolist() == [7, 8, 9]
