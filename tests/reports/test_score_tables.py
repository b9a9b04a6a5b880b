import re

from mmmask.evaluation.ages import Ages
from mmmask.reports.score_tables import age_sentence
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
