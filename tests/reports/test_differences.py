import cv2
import pandas as pd

from mmmask.reports.differences import draw_differences, print_differences

TABLE = pd.DataFrame(
    {
        "variant": ["focal", "arcface"],
        "blocks": ["head", "head, schedule"],
        "people": 140,
        "baseline": 0.5,
        "macro_f1": [0.55, 0.49],
        "difference": [0.05, -0.01],
        "low": [0.02, -0.03],
        "high": [0.08, 0.01],
        "seeds": ["+0.0400 +0.0600", "-0.0300 +0.0100"],
        "verdict": ["shown", "not shown"],
    }
)


def test_the_table_tells_difference_interval_seeds_and_verdict(capsys) -> None:
    print_differences(TABLE, "linear")
    out = capsys.readouterr().out
    for fact in ("linear (0.500), 140 people", "+0.050", "+0.020 to +0.080", "-0.0300 +0.0100"):
        assert fact in out
    assert "not shown" in out


def test_the_plot_is_a_picture_that_grows_with_the_variants(tmp_path) -> None:
    draw_differences(TABLE, "linear", tmp_path / "two.png")
    draw_differences(pd.concat([TABLE] * 3), "linear", tmp_path / "six.png")
    two, six = (cv2.imread(str(tmp_path / f"{name}.png")) for name in ("two", "six"))
    assert six.shape[0] > two.shape[0]
    assert two.std() > 5
