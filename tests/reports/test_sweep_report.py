import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmmask.evaluation.jackknife import Interval
from mmmask.evaluation.selection import Selection
from mmmask.reports.sweep_report import (
    SweepDisplay,
    plot_history,
    plot_importance,
    print_sweep,
    sentences,
    short_names,
)

NAMES = ["optim_wrapper.optimizer.lr", "head.dropout", "head.loss.class_weight"]


def table(trials: int = 14) -> pd.DataFrame:
    """Trials of rising score, of which one was pruned and one failed."""
    score = np.linspace(0.4, 0.5, trials)
    frame = pd.DataFrame(
        {
            "trial": range(trials), "state": "complete",
            "macro_f1": score, "low": score - 0.05, "high": score + 0.05,
            "difference": score - 0.4, "difference_low": score - 0.44,
            "difference_high": score - 0.36, "after": "epoch 6", "last_score": score,
            "repeats": pd.NA, "reason": "", NAMES[0]: np.geomspace(1e-4, 1e-2, trials),
            NAMES[1]: np.linspace(0, 0.5, trials),
            NAMES[2]: ["None", "inverse"] * (trials // 2),
        }
    )  # fmt: skip
    scores = [*frame.columns[2:8]]
    frame.loc[4, ["state", "after", *scores]] = ["pruned", "epoch 2", *[np.nan] * len(scores)]
    frame.loc[5, ["state", "reason", *scores]] = ["failed", "disk full", *[np.nan] * len(scores)]
    return frame


def selection(*, best: int = 11, low: float = -0.02) -> Selection:
    gains = [Interval(gain, gain - 0.04, gain + 0.04) for gain in np.linspace(0, 0.1, 12)]
    return Selection(scores=gains, differences=gains, best=best, corrected=0.031, low=low)


def test_names_are_cut_to_what_tells_them_apart() -> None:
    assert [*short_names(NAMES).values()] == ["lr", "dropout", "class_weight"]
    assert short_names(["a.optimizer.lr", "b.lr", "lr"]) == {
        "a.optimizer.lr": "optimizer.lr",
        "b.lr": "b.lr",
        "lr": "lr",
    }


@given(st.sets(st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(".".join)))
def test_short_names_differ_as_the_names_do(names) -> None:
    short = short_names([*names])
    assert len(set(short.values())) == len(names)
    assert all(name == end or name.endswith(f".{end}") for name, end in short.items())


def test_the_table_has_the_ten_best_and_trial_0_with_their_intervals(capsys) -> None:
    print_sweep(table(), selection(), 140, NAMES)
    out = capsys.readouterr().out
    assert "140 people held out" in out
    assert "0.500 [0.450, 0.550]" in out
    assert "the config as it is" in out
    rows = [line.split("│")[1].strip() for line in out.splitlines() if line.startswith("│")]
    assert rows == ["13", "12", "11", "10", "9", "8", "7", "6", "3", "2", "0"]
    assert "the 10 best of 12 complete trials" in out


@pytest.mark.parametrize(("low", "verdict"), [(-0.02, "not shown"), (0.01, "shown on these")])
def test_the_verdict_allows_for_the_choice_and_says_what_it_cannot(low, verdict) -> None:
    said = " ".join(sentences(table(), selection(low=low)))
    assert "Trial 13 is the best of 12 complete trials (1 pruned, 1 failed)" in said
    assert "+0.100 [+0.060, +0.140]" in said  # what it seems to gain
    assert f"choice among 12: +0.031 expected, {low:+.3f} at least (97.5 %): {verdict}" in said
    assert "--confirm" in said


def test_no_gain_is_said_plainly() -> None:
    (said,) = sentences(table(), selection(best=0))
    assert said.startswith("None of 12 complete trials (1 pruned, 1 failed) beats the config")


def test_a_line_for_each_trial_that_has_ended(capsys) -> None:
    rows = table().to_dict("records")
    rows[7]["repeats"] = 3
    with SweepDisplay(NAMES, 0, 14) as display:
        display.show({0: (2, 0.4)}, 6)
        for number in (1, 4, 5, 7):
            display.ended(rows[number])
    one, pruned, failed, repeated = capsys.readouterr().out.splitlines()
    assert one.startswith("trial 1: macro F1 0.408 [0.358, 0.458]; lr 0.000143, dropout 0.0385,")
    assert pruned.startswith("trial 4: pruned after epoch 2, macro F1 0.431; lr")
    assert failed.startswith("trial 5: failed: disk full; lr")
    assert "as trial 3, of the same values" in repeated


def test_pictures_are_drawn_and_grow_with_the_values(tmp_path) -> None:
    shares = pd.DataFrame(
        {"name": NAMES, "importance": [0.7, 0.2, 0.1], "by_chance": [0.5, 0.4, 0.4], "log": False}
    )
    plot_history(table(), tmp_path / "history.png")
    plot_importance(table(), shares, tmp_path / "three.png")
    plot_importance(table(), shares[:1], tmp_path / "one.png")
    pictures = {path.stem: cv2.imread(str(path)) for path in tmp_path.glob("*.png")}
    assert all(picture.std() > 5 for picture in pictures.values())
    assert pictures["three"].shape[1] > pictures["one"].shape[1]
