import numpy as np
import pandas as pd

from mmmask.evaluation.jackknife import Difference
from mmmask.reports.ensemble_report import (
    plot_agreement,
    print_agreement,
    print_gain,
    print_members,
)

ROWS = pd.DataFrame(
    {
        "member": ["a[b]", "c", "ensemble"],
        "agrees": [0.9, 0.8, 1.0],
        "changes": [0.05, 0.1, np.nan],
        "macro_f1": [0.5, 0.4, 0.6],
        "macro_f1_low": [0.45, 0.35, 0.55],
        "macro_f1_high": [0.55, 0.45, 0.65],
        "helps": [0.01, -0.02, np.nan],
        "helps_low": [-0.01, -0.03, np.nan],
        "helps_high": [0.03, -0.01, np.nan],
    }
)
SHARES = {"class": np.array([[1, 0.665], [0.665, 1]]), "mask": np.array([[1, 0.99], [0.99, 1]])}


def test_every_figure_stands_in_the_table(capsys) -> None:
    print_members(ROWS, 980, 140)
    text = capsys.readouterr().out
    for part in (
        *("980 photos, 95 % interval over 140 people", "a[b]", "0.500 [0.450, 0.550]"),
        *("-0.020 [-0.030, -0.010]", "90.0 %", "5.0 %", "0.600 [0.550, 0.650]", "helps: macro F1"),
    ):
        assert part in text
    assert "nan" not in text


def test_without_labels_and_people_the_table_says_so(capsys) -> None:
    print_members(ROWS[["member", "agrees", "changes"]], 980, None)
    assert "macro F1" not in capsys.readouterr().out
    print_members(ROWS, 980, None)
    assert "95 % interval over photos: nobody knows who is in them" in capsys.readouterr().out


def test_a_gain_is_shown_where_its_interval_excludes_0(capsys) -> None:
    missed = "not shown; a true difference of 0.022 would be shown in 80 % of samples"
    for low, verdict in ((-0.01, missed), (0.001, "shown")):
        print_gain(0.5, 0.51, Difference(0.01, low, 0.02, 0.022), 0.05, (1.2, 1.1, 1.0))
        text = " ".join(capsys.readouterr().out.split())
        assert f"+0.010 [{low:+.3f}, +0.020], {verdict}; log loss 1.100 and 1.200" in text
        assert "it would seem +0.050, and 1.000 nats" in text


def test_agreement_is_printed_and_plotted(capsys, tmp_path) -> None:
    print_agreement(SHARES)
    text = capsys.readouterr().out
    assert "66.5" in text and "mask, % alike" in text and "100" not in text
    plot_agreement(SHARES, ["a", "b"], tmp_path / "out" / "agreement.png")
    assert (tmp_path / "out" / "agreement.png").read_bytes().startswith(b"\x89PNG")
