import re

import pandas as pd

from mmmask.datasets.layout import with_labels
from mmmask.evaluation.ages import MAE, Ages
from mmmask.reports.score_tables import age_sentence, print_folds
from mmmask.tables import PROBABILITIES
from mmmask.workflows.studies.folds import summarise
from tests.made_ages import table_of

TRUE, PREDICTED = [20, 30, 40, 50, 60, 60], [25, 24, 40, 61, 60, 58]


def test_ages_are_told_in_one_line_with_intervals() -> None:
    words = age_sentence(Ages.of(table_of(TRUE, PREDICTED, list("abcdef"))))
    number = r"\[[+-]?[\d.]+, [+-]?[\d.]+\]"
    pattern = (
        rf"age in years: MAE 4\.0 {number}, within 5 years 67 % {number}, bias \+1\.3 {number}"
    )
    assert re.fullmatch(pattern, words)


def test_the_line_says_what_it_rests_on() -> None:
    few = age_sentence(Ages.of(table_of(TRUE, PREDICTED, ["a"] * 6)))
    assert few == (
        "age in years: MAE 4.0, within 5 years 67 %, bias +1.3; no interval: fewer than 5 people"
    )
    some = age_sentence(Ages.of(table_of([None, *TRUE], [90, *PREDICTED])))
    assert some.endswith("; known of 6 of 7 photos; too narrow: no column tells the person")


def test_folds_without_macro_f1_have_a_dash_for_it(capsys) -> None:
    known = with_labels(
        pd.DataFrame(
            {"image": [f"{row}.jpg" for row in range(20)], "mask": ["wear", "normal"] * 10}
        )
    )
    table = known.assign(
        person=[str(row // 2) for row in range(20)], fold=[row // 10 for row in range(20)],
        **dict.fromkeys(PROBABILITIES, 1 / 18),
    )  # fmt: skip
    print_folds(summarise(table))
    shown = capsys.readouterr().out
    assert "nan" not in shown
    assert len(re.findall(r"│ +- │ +0\.500 │", shown)) == 4  # two folds, their mean, out of fold


def test_no_figure_of_the_folds_is_cut(capsys) -> None:
    row = {"people": 18_000, "photos": 126_000, "macro_f1": 0.5, "low": 0.4, "high": 0.6}
    names = ("accuracy", "mask_accuracy", "gender_accuracy", "age_accuracy")
    row |= dict.fromkeys(names, 0.5) | {"interval": "over people", MAE: 14.25}
    parts = ["0", "mean of folds", "out of fold"]
    print_folds(pd.DataFrame([{"part": part, **row} for part in parts]))
    shown = capsys.readouterr().out
    assert "…" not in shown
    assert len(re.findall(r"126,000 .* 14\.2 │", shown)) == len(parts)
