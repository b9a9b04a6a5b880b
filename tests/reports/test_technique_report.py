import cv2
import numpy as np
import pandas as pd

from mmmask.reports.technique_report import plot_techniques, print_techniques

TABLE = pd.DataFrame(
    {
        "group": ["heads", "heads", "people"],
        "baseline": ["softmax", "softmax", "probe"],
        "people": 700,
        "seeds": 5,
        "baseline_macro_f1": [0.55, 0.55, 0.6],
        "technique": ["arcface", "three", "10 times the people"],
        "claim": ["A: a margin", "", "extrapolated"],
        "macro_f1": [0.53, 0.6, 0.62],
        "macro_f1_low": [0.5, 0.56, 0.57],
        "macro_f1_high": [0.57, 0.63, 0.69],
        "difference": [-0.25, 0.05, 0.02],
        "low": [-0.27, 0.02, 0.0],
        "high": [-0.23, 0.08, 0.07],
        "detectable": [0.02, 0.02, np.nan],
        "verdict": ["refuted", "confirmed", "extrapolated"],
    }
)


def test_the_tables_tell_differences_verdicts_and_how_many_are_chance(capsys) -> None:
    print_techniques(TABLE)
    out = " ".join(capsys.readouterr().out.split())
    assert "heads: macro F1 against softmax, 0.550" in out
    for fact in ("+0.050", "+0.020 to +0.080", "0.600 [0.560, 0.630]", "confirmed", "refuted"):
        assert fact in out
    assert "Of 2 techniques without any effect, about 0 would be shown by chance" in out


def test_the_plot_is_a_picture_that_grows_with_the_techniques(tmp_path) -> None:
    plot_techniques(TABLE, tmp_path / "few.png")
    plot_techniques(pd.concat([TABLE] * 3), tmp_path / "many.png")
    few, many = (cv2.imread(str(tmp_path / f"{name}.png")) for name in ("few", "many"))
    assert many.shape[0] > few.shape[0]
    assert few.std() > 5
