import cv2
import pandas as pd
import pytest

from mmmask.evaluation.jackknife import Difference
from mmmask.reports.difference_report import (
    difference_sentence,
    plot_differences,
    print_differences,
)

MISSED = "not shown; a true difference of 0.022 would be shown in 80 % of samples"
TABLE = pd.DataFrame(
    {
        "variant": ["focal", "arcface"],
        "blocks": ["head", "head, schedule"],
        "people": 140,
        "baseline": 0.5,
        "baseline_low": 0.45,
        "baseline_high": 0.55,
        "macro_f1": [0.55, 0.49],
        "macro_f1_low": [0.5, 0.44],
        "macro_f1_high": [0.6, 0.54],
        "difference": [0.05, -0.01],
        "low": [0.02, -0.03],
        "high": [0.08, 0.01],
        "detectable": [0.043, 0.0288],
        "seeds": ["+0.0400 +0.0600", "-0.0300 +0.0100"],
        "verdict": ["shown", "not shown"],
    }
)


def test_the_table_tells_difference_interval_seeds_and_verdict(capsys) -> None:
    print_differences(TABLE, "linear")
    out = capsys.readouterr().out
    assert "linear, 0.500 [0.450, 0.550]; 95 % interval over 140 people" in out
    for fact in ("0.550 [0.500, 0.600]", "+0.050", "+0.020 to +0.080", "-0.0300 +0.0100"):
        assert fact in out
    assert "not shown" in out and "0.029" in out


@pytest.mark.parametrize(
    ("difference", "sentence"),
    [
        ((0.012, -0.004, 0.027), "b is better than a by 0.012 [-0.004, 0.027]: " + MISSED),
        ((0.012, 0.004, 0.027), "b is better than a by 0.012 [0.004, 0.027]: shown"),
        ((-0.012, -0.027, 0.004), "b is worse than a by 0.012 [-0.004, 0.027]: " + MISSED),
        ((-0.012, -0.027, -0.004), "b is worse than a by 0.012 [0.004, 0.027]: shown"),
        ((0.0, 0.0, 0.0), "b scores as a does, on all people"),
    ],
)
def test_a_difference_is_told_in_a_sentence(difference, sentence) -> None:
    assert difference_sentence("b", "a", Difference(*difference, 0.022)) == sentence


def test_the_plot_is_a_picture_that_grows_with_the_variants(tmp_path) -> None:
    plot_differences(TABLE, "linear", tmp_path / "two.png")
    plot_differences(pd.concat([TABLE] * 3), "linear", tmp_path / "six.png")
    two, six = (cv2.imread(str(tmp_path / f"{name}.png")) for name in ("two", "six"))
    assert six.shape[0] > two.shape[0]
    assert two.std() > 5
