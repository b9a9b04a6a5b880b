"""Lists and comparisons of runs, from folders as runs leave them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmmask.errors import InputError, MissingFileError
from mmmask.evaluation.intervals import paired_difference
from mmmask.evaluation.jackknife import Interval
from mmmask.ledger.cards import write_card
from mmmask.ledger.chosen_epoch import chosen_by_people, flattery_of
from mmmask.ledger.score_log import note_score, read_scores
from mmmask.reports.run_tables import print_comparison, print_runs
from mmmask.tables import PREDICTIONS, PROBABILITIES, write_table
from mmmask.workflows.runs import compare_runs, list_runs
from tests.fake_run import answered

CONFIG = "head = dict(margin={margin})\ndata = dict(data_root='data')\nwork_dir = '{name}'\n"


def make_run(folder: Path, *, score: float = 0.5, margin: float = 0.2, **facts) -> Path:
    """Leave the card of a finished run of 90 seconds."""
    folder.mkdir(parents=True)
    session = {
        "status": "finished",
        "start": "2024-05-01T10:00:00+0900",
        "end": "2024-05-01T10:01:30+0900",
        "epoch": 6,
        "max_epochs": 6,
        "photos_per_second": 70.0,
        "seed": 0,
        "split": {"trained_on": "train", "fold": 1},
        "data": {"train": {"photos": 70, "people": 10, "fingerprint": "ab" * 32}},
        "code": {"commit": "cd" * 20, "dirty": False, "hash": "ef" * 32},
        "versions": {"torch": "2.8"},
        "machine": {"host": "here", "device": "cpu", "processes": 1},
        "config_hash": "k",
        **facts,
    }
    card = {
        "sessions": [session],
        "validations": [
            {"epoch": 1, "macro_f1": score / 2},
            {"epoch": 5, "macro_f1": score},
        ],
        "configs": {"k": CONFIG.format(margin=margin, name=folder.name)},
    }
    write_card(folder, card)
    return folder


def predict(run: Path, seed: int, *, right: float = 0.6, name: str = "val.parquet", **stated):
    """Leave labelled predictions of 20 people, right in a share of the photos."""
    random = np.random.default_rng(seed)
    truth = np.random.default_rng(0).integers(18, size=140)
    label = np.where(random.random(140) < right, truth, random.integers(18, size=140))
    table = pd.DataFrame(np.eye(18)[label], columns=list(PROBABILITIES))
    table.insert(0, "image", [f"train/{row}.jpg" for row in range(140)])
    table["label"], table["person"] = truth, [f"p{row // 7}" for row in range(140)]
    provenance = {"checkpoint": str(run / "epoch_6.pth"), "split": "val", "time": "1", **stated}
    write_table(run / name, table.sample(frac=1, random_state=seed), PREDICTIONS, provenance)
    return truth, label


def test_runs_are_listed_by_score_wherever_they_lie(tmp_path, capsys) -> None:
    make_run(tmp_path / "low", score=0.3)
    make_run(tmp_path / "kfold" / "fold_0", score=0.6, seed=4, split={"trained_on": "all"})
    runs = list_runs(tmp_path)
    assert runs["run"].tolist() == [str(tmp_path / "kfold" / "fold_0"), str(tmp_path / "low")]
    first = runs.iloc[0]
    assert (first["macro_f1"], first["best_epoch"], first["seconds"]) == (0.6, 5, 90)
    print_runs(runs, str(tmp_path))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("2 runs in")
    (line,) = [line for line in lines if "kfold/fold_0" in line]
    for fact in ("finished", "2024-05-01 10:00", "0:01:30", "6/6", "70", "everybody", "0.600 (5)"):
        assert fact in line


@pytest.mark.parametrize(
    ("sort", "expected"),
    [("score", "cab"), ("time", "bca"), ("speed", "abc"), ("name", "abc")],
)
def test_a_list_is_sorted_as_asked(tmp_path, sort, expected) -> None:
    for name, score, day, speed in (("a", 0.4, 1, 90), ("b", 0.3, 3, 80), ("c", 0.5, 2, 70)):
        start = f"2024-05-0{day}T10:00:00+0900"
        make_run(tmp_path / name, score=score, start=start, photos_per_second=speed)
    assert [Path(run).name for run in list_runs(tmp_path, sort)["run"]] == list(expected)


def test_old_half_and_refused_cards_are_listed_with_their_reason(tmp_path, capsys) -> None:
    make_run(tmp_path / "whole")
    make_run(tmp_path / "failed", status="failed", error="ValueError: loss is NaN")
    told = "loss nan at step 3 (epoch 1), learning rate 1e+20; the training diverged"
    make_run(tmp_path / "diverged", status="diverged", error=told)
    make_run(tmp_path / "away", status="running", process={"host": "far", "pid": 1, "started": 2})
    for name in ("old", "broken", "half"):
        (tmp_path / name).mkdir()
    (tmp_path / "old" / "last_checkpoint").write_text("epoch_3.pth")
    (tmp_path / "broken" / "card.json").write_text('{"sessions": [{"sta')
    (tmp_path / "half" / "card.json").write_text(json.dumps({"sessions": [{"seed": 3}]}))
    runs = list_runs(tmp_path).set_index("run")["status"]
    assert runs[str(tmp_path / "whole")] == "finished"
    assert runs[str(tmp_path / "old")] == "no card: an older run"
    assert runs[str(tmp_path / "broken")].startswith("card.json: not readable JSON")
    assert runs[str(tmp_path / "half")] == "unknown"
    assert runs[str(tmp_path / "away")] == "running on far"
    assert runs[str(tmp_path / "failed")] == "failed (ValueError: loss is NaN)"
    short = "loss nan at step 3 (epoch 1), learning rate 1e+20"
    assert runs[str(tmp_path / "diverged")] == f"diverged ({short})"
    print_runs(list_runs(tmp_path), str(tmp_path))
    assert "no card: an older run" in capsys.readouterr().out
    print_runs(list_runs(tmp_path / "old", "time"), "old")


def test_the_last_score_of_each_kind_of_test_is_listed(tmp_path) -> None:
    run = make_run(tmp_path / "run")
    plain = {"checkpoint": str(run / "epoch_6.pth"), "split": "val", "tta": [], "old_from": 60}
    flipped = {**plain, "tta": ["identity", "hflip"]}
    for score, stated in ((0.4, plain), (0.5, flipped), (0.45, plain)):
        note_score(Interval(score, 0.3, 0.6), "people", 140, tmp_path / "p.parquet", stated)
    assert len(read_scores(run)) == 3
    (tested,) = list_runs(tmp_path)["tested"]
    assert tested == [
        "val identity+hflip 0.500 [0.300, 0.600] (people)",
        "val 0.450 [0.300, 0.600] (people)",
    ]


def test_the_best_score_is_listed_beside_what_to_expect_on_others(tmp_path, capsys) -> None:
    run = answered(make_run(tmp_path / "new"))
    make_run(tmp_path / "old", score=0.1)
    best = {"checkpoint": str(run / "best_macro_f1_epoch_6.pth"), "tta": [], "old_from": 60}
    for split in ("val", "eval"):
        stated = {**best, "split": split}
        note_score(Interval(0.4, 0.3, 0.6), "people", 140, tmp_path / "p.parquet", stated)
    new, old = list_runs(tmp_path).to_dict("records")
    assert new["on_others"] == new["macro_f1"] - flattery_of(run) < new["macro_f1"]
    assert new["tested"] == [
        "val 0.400 [0.300, 0.600] (people, who chose its epoch)",
        "eval 0.400 [0.300, 0.600] (people)",
    ]
    assert np.isnan(old["on_others"])
    print_runs(list_runs(tmp_path), str(tmp_path))
    text = capsys.readouterr().out
    assert f"{new['on_others']:.3f}" in text
    assert "on others: what to expect of other people" in text


def test_scores_that_chose_their_runs_say_so_where_they_are_compared(tmp_path, capsys) -> None:
    one, other = answered(make_run(tmp_path / "one")), make_run(tmp_path / "other")
    chosen = {"by": "macro_f1", "epochs": [12], "flattery": 0.024}
    predict(one, 1, chosen=chosen)
    predict(other, 2, chosen=None)
    found = compare_runs(one, other)
    assert found.reasons == []  # the answers of epochs are no predictions
    (score,) = found.scores
    assert score.chosen == [chosen_by_people({"split": "val", "chosen": chosen}), None]
    print_comparison(found, "one", "other")
    text = capsys.readouterr().out
    assert f"one: {score.chosen[0]}" in text.replace("\n", " ")
    assert "other: its epoch" not in text


def test_two_runs_are_compared_in_config_facts_and_score(tmp_path, capsys) -> None:
    one = make_run(tmp_path / "one")
    other = make_run(tmp_path / "other", margin=0.4, versions={"torch": "2.9"})
    truth, before = predict(one, 1, right=0.3)
    _, after = predict(other, 2, right=0.9)
    found = compare_runs(one, other)
    assert found.config == {"head.margin": (0.2, 0.4)}
    assert (found.blocks, found.around) == (["head"], ["work_dir"])
    assert found.facts == {"version of torch": ("2.8", "2.9")}
    (score,) = found.scores
    person = np.arange(140) // 7
    expected = paired_difference(person, truth, [after], [before])
    assert score.difference.value == pytest.approx(expected.value)
    assert (score.split, score.size, score.resampled) == ("val", 20, "people")
    assert found.reasons == []
    print_comparison(found, "one", "other")
    text = capsys.readouterr().out
    assert "other is better than one by" in text
    assert ": shown (95 % interval over 20 people" in text


def test_the_newest_predictions_of_each_kind_count_and_only_a_runs_own(tmp_path) -> None:
    one, other = make_run(tmp_path / "one"), make_run(tmp_path / "other")
    predict(one, 1, right=0.0)
    predict(one, 1, right=0.9, name="newer.parquet", time="2")
    predict(other, 2, right=0.5)
    predict(other, 2, right=0.5, name="flip.parquet", tta=["identity", "hflip"])
    (score,) = compare_runs(one, other).scores
    assert score.one.value > 0.8
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    predict(elsewhere, 3, name="p.parquet", tta=["identity", "hflip"])
    stated = {"checkpoint": str(one / "epoch_6.pth"), "split": "val", "tta": [], "old_from": 60}
    note_score(Interval(0.4, 0.3, 0.6), "people", 140, elsewhere / "p.parquet", stated)
    assert len(compare_runs(one, other).scores) == 1  # another run has written over that file
    predict(one, 3, name="../elsewhere/p.parquet", tta=["identity", "hflip"])
    assert len(compare_runs(one, other).scores) == 2


def test_what_cannot_be_compared_is_said(tmp_path) -> None:
    one, other = make_run(tmp_path / "one"), make_run(tmp_path / "other")
    assert "there are no predictions of both" in compare_runs(one, other).reasons[0]
    predict(one, 1)
    table = pd.read_parquet(one / "val.parquet")
    write_table(other / "val.parquet", table[1:], PREDICTIONS, {"split": "val"})
    (reason,) = compare_runs(one, other).reasons
    assert "have different photos" in reason
    old = tmp_path / "old"
    old.mkdir()
    (old / "last_checkpoint").write_text("epoch_3.pth")
    (old / "mine.py").write_text(CONFIG.format(margin=0.3, name="old"))
    found = compare_runs(old, one)
    assert found.config == {"head.margin": (0.3, 0.2)}
    assert found.facts == {}
    assert "older version have no card" in found.reasons[0]
    (old / "mine.py").write_text("x = (")
    assert "its config is not readable" in compare_runs(old, one).reasons[1]


def test_folders_without_runs_are_refused(tmp_path) -> None:
    with pytest.raises(MissingFileError, match="no such folder"):
        list_runs(tmp_path / "gone")
    assert list_runs(tmp_path).empty
    with pytest.raises(InputError, match="holds no run"):
        compare_runs(make_run(tmp_path / "run"), tmp_path)


def test_a_run_that_learned_from_the_test_set_is_marked(tmp_path, capsys) -> None:
    marked = {"pseudo_labels": {"count": 9, "from_test_set": 9}}
    one = make_run(tmp_path / "one", without_truth=marked)
    other = make_run(tmp_path / "other", without_truth={"pseudo_labels": {"from_test_set": 0}})
    plain = {"checkpoint": str(other / "epoch_6.pth"), "split": "val", "tta": [], "old_from": 60}
    print_runs(list_runs(tmp_path), str(tmp_path))
    sentence = "trained on photos of the test set (9 with labels that a model gave them)"
    assert capsys.readouterr().out.count("warning: one: trained") == 1
    print_comparison(compare_runs(one, other), "one", "other")
    text = capsys.readouterr().out.replace("\n", " ")
    assert f"warning: one: {sentence}" in text
    assert "warning: other" not in text
    predict(other, 2, unlabelled={"count": 5, "from_test_set": 5})  # a run of before, by its table
    note_score(Interval(0.4, 0.3, 0.6), "people", 140, other / "val.parquet", plain)
    learned = list_runs(tmp_path).set_index("run")["learned"]
    assert "(5 unlabelled)" in learned[str(other)]


def test_the_folder_of_a_kfold_is_told_from_one_without_runs(tmp_path) -> None:
    fold = make_run(tmp_path / "k" / "fold_0")
    with pytest.raises(MissingFileError, match=rf"is a k-fold.*name one, such as {fold}"):
        compare_runs(tmp_path / "k", fold)
