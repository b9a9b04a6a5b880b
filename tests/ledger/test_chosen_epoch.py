from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmmask.datasets.layout import with_labels
from mmmask.evaluation.selection import flattery
from mmmask.ledger.chosen_epoch import (
    answers_of,
    chosen_by,
    chosen_by_people,
    chosen_epoch,
    chosen_in_folds,
    flattery_of,
)
from mmmask.ledger.epoch_answers import FILE, EpochAnswers
from mmmask.tables import EPOCH_ANSWERS
from tests.fake_run import answered

UNKNOWN = "on others expect a lower macro F1; how much lower is unknown"
BEST = "work/best_macro_f1_epoch_9.pth"


def best_of(folder: Path) -> tuple[dict, Path, pd.DataFrame]:
    """Return the content of the best checkpoint, its path, and the photos it was chosen on."""
    answers = EpochAnswers.read(folder)
    epoch = max(answers.scores, key=answers.scores.get)
    content = {
        "meta": {"epoch": epoch, "chosen_by": "macro_f1"},
        "message_hub": {"runtime_info": {"best_score": answers.scores[epoch]}},
    }
    return content, folder / f"best_macro_f1_epoch_{epoch}.pth", answers.table


@pytest.mark.parametrize("attribute", [None, "mask"])
def test_the_estimate_is_of_all_epochs_of_the_run(tmp_path, attribute) -> None:
    folder = answered(tmp_path, attribute=attribute)
    found = chosen_epoch(*best_of(folder))
    expected = flattery([EpochAnswers.read(folder).counts])
    assert found == {"by": "macro_f1", "epochs": [6], "flattery": expected}
    assert flattery_of(folder) == expected > 0


def test_an_epoch_that_was_not_the_best_on_the_card_has_no_estimate(tmp_path) -> None:
    content, path, photos = best_of(answered(tmp_path))
    scores = EpochAnswers.read(tmp_path).scores
    worst = min(scores, key=scores.get)
    content["meta"]["epoch"] = worst
    content["message_hub"]["runtime_info"]["best_score"] = scores[worst]
    assert chosen_epoch(content, path, photos)["flattery"] is None


def test_a_run_under_way_may_be_one_epoch_ahead_of_its_card(tmp_path) -> None:
    answered(tmp_path)
    answers = EpochAnswers.read(tmp_path)
    answers.with_epoch(7, answers.table["epoch_1"].to_numpy()).write(tmp_path)
    assert answers_of(tmp_path).epochs == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("damaged", [FILE, "card.json"])
def test_a_damaged_file_estimates_nothing_and_hides_no_choice(tmp_path, damaged) -> None:
    content, path, photos = best_of(answered(tmp_path))
    (tmp_path / damaged).write_text("no such thing")
    found = chosen_epoch(content, path, photos)
    assert found["by"] == "macro_f1"
    assert found["flattery"] is None
    assert flattery_of(tmp_path) is None


def test_photos_without_a_label_do_not_count(tmp_path) -> None:
    answers = EpochAnswers.read(answered(tmp_path))
    table = answers.table.astype({"label": "Int8"})
    table.loc[table["person"] == "p3", "label"] = pd.NA
    rest = EpochAnswers(table[table["label"].notna()], None)
    np.testing.assert_array_equal(EpochAnswers(table, None).counts, rest.counts)


def test_answers_of_many_epochs_and_people_stay_small(tmp_path) -> None:
    rows = np.arange(3780)
    photos = pd.DataFrame(
        {
            "image": [f"train/images/{row // 7:06d}_female_Asian_45/mask{row % 7}" for row in rows],
            "person": [f"{row // 7:06d}_female_Asian_45" for row in rows],
            "label": rows % 18,
        }
    )
    answers = EpochAnswers.of(photos, None)
    random = np.random.default_rng(0)
    for epoch in range(1, 31):
        answers = answers.with_epoch(epoch, random.integers(18, size=len(rows)))
    answers.write(tmp_path)
    assert (tmp_path / FILE).stat().st_size < 200_000
    assert {*EPOCH_ANSWERS} - {"fits"} < {*EpochAnswers.read(tmp_path).table}


@pytest.mark.parametrize(
    ("meta", "name", "by"),
    [
        ({"chosen_by": "nll"}, "renamed.pth", "nll"),
        ({}, "best_macro_f1_epoch_9.pth", "macro_f1"),
        ({}, "best_accuracy_top1_epoch_12.pth", "accuracy_top1"),
        ({}, "best_of_all.pth", "of_all"),
        ({}, "epoch_9.pth", None),
        ({}, "my_best_epoch_9.pth", None),
    ],
)
def test_who_is_a_chosen_epoch(meta, name, by) -> None:
    assert chosen_by(meta, Path("work") / name) == by


def choice(flattered: float | None, *epochs: int | None, by: str = "macro_f1") -> dict:
    return {"by": by, "epochs": list(epochs), "flattery": flattered}


@pytest.mark.parametrize(
    ("stated", "sentence"),
    [
        (
            {"chosen": choice(0.0243, 12)},
            "its epoch was chosen as the best of 12 by these very people: on others expect a macro "
            "F1 about 0.024 lower",
        ),
        (
            {"chosen": choice(-0.002, 12)},
            "its epoch was chosen as the best of 12 by these very people: on others expect about "
            "the same macro F1",
        ),
        (
            {"chosen": choice(None, None)},
            f"its epoch was chosen as the best by these very people: {UNKNOWN}",
        ),
        (
            {"split": "oof", "chosen": choice(0.01, 9, 12, 10)},
            "the epoch of each fold was chosen as the best of 9 to 12 by these very people: on "
            "others expect a macro F1 about 0.010 lower",
        ),
        (
            {"checkpoint": BEST},
            f"its epoch was chosen as the best by these very people: {UNKNOWN}",
        ),
        (
            {"members": [{"provenance": {"chosen": choice(0.02, 12)}}, {"checkpoint": BEST}, {}]},
            f"the epochs of 2 of 3 models were chosen as the best of 12 by these very people: "
            f"{UNKNOWN}",
        ),
        (
            {"split": "oof", "members": [{"fold": 0, "checkpoint": BEST}]},
            f"its epoch was chosen as the best by these very people: {UNKNOWN}",
        ),
        ({"chosen": None, "checkpoint": BEST}, None),
        ({"checkpoint": "work/epoch_9.pth"}, None),
        ({"checkpoint": None}, None),
        ({"split": "eval", "checkpoint": BEST}, None),
        ({"split": "train", "checkpoint": BEST}, None),
        ({"split": "eval", "members": [{"provenance": {"chosen": choice(0.02, 12)}}]}, None),
    ],
)
def test_what_a_score_says(stated, sentence) -> None:
    assert chosen_by_people({"split": "val", **stated}) == sentence


def test_a_vote_fitted_on_people_who_chose_says_nothing_of_other_people() -> None:
    fitted_on = [{"provenance": {"split": "val", "chosen": choice(0.02, 12)}}]
    members = [{"provenance": {"split": "eval", "chosen": None, "checkpoint": BEST}}]
    assert chosen_by_people({"split": "eval", "members": members, "fitted_on": fitted_on}) is None


def test_the_people_of_all_folds_are_estimated_together(tmp_path) -> None:
    folders = [answered(tmp_path / f"fold_{k}", seed=k, epochs=5 + k) for k in range(3)]
    stated = {each: {"split": "val", "chosen": chosen_epoch(*best_of(each))} for each in folders}
    expected = flattery([EpochAnswers.read(each).counts for each in folders])
    found = chosen_in_folds(stated)
    assert found == {"by": "macro_f1", "epochs": [5, 6, 7], "flattery": expected}
    (folders[1] / FILE).unlink()
    assert chosen_in_folds(stated) == {**found, "flattery": None}
    stated[folders[2]]["chosen"] = choice(None, None)
    assert chosen_in_folds(stated) == {**found, "epochs": [5, 6, None], "flattery": None}


def test_folds_of_last_epochs_have_no_choice_and_those_of_older_tables_no_figure(tmp_path) -> None:
    last = {tmp_path / f"fold_{k}": {"split": "val", "chosen": None} for k in range(3)}
    assert chosen_in_folds(last) is None
    older = {folder: {"split": "val", "checkpoint": BEST} for folder in last}
    assert chosen_in_folds(older) == choice(None, None, None, None)
    predicted = {folder: {"split": "eval", "checkpoint": BEST} for folder in last}
    assert chosen_in_folds(predicted) is None


def test_answers_of_one_attribute_are_scored_by_the_photos_that_know_it() -> None:
    samples = pd.DataFrame({"image": [f"{row}.jpg" for row in range(9)]})
    samples["mask"] = [*["wear", "incorrect", "normal"] * 2, None, None, None]
    samples = with_labels(samples.assign(person=samples["image"]))
    told = np.array([0, 1, 2, 0, 1, 0, 2, 2, 2])  # the last mask known is wrong
    answers = EpochAnswers.of(samples, "mask").with_epoch(1, told)
    assert answers.scores[1] == pytest.approx((4 / 5 + 1 + 2 / 3) / 3)
