from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from mmmask.errors import InputError
from mmmask.tables import ATTRIBUTE_PROBABILITIES, PROBABILITIES, YEARS
from mmmask.workflows.studies.folds import Fold, mean_of_folds, out_of_fold, summarise

PEOPLE, FOLDS = 12, 3


def predictions(people, seed=0, columns=PROBABILITIES, years=()) -> pd.DataFrame:
    """Predict two photos of each person."""
    random = np.random.default_rng(seed)
    person = np.repeat([f"{who:06d}" for who in people], 2)
    table = pd.DataFrame(random.dirichlet(np.ones(len(columns)), len(person)), columns=columns)
    table = table.astype("float32")
    table.insert(0, "image", [f"{who}/{row % 2}.jpg" for row, who in enumerate(person)])
    table["label"] = pd.array(random.integers(0, 18, len(person)), dtype="Int8")
    table["person"] = person
    for age in years:
        table[f"year_{age}"] = np.float32(1 / len(years))
    return table


def make_folds(**given) -> list[Fold]:
    """Deal twelve people into three folds."""
    people = np.arange(PEOPLE)
    folds = []
    for number in range(FOLDS):
        held_out = people[people % FOLDS == number]
        names = [frozenset(f"{who:06d}" for who in part) for part in (set(people), held_out)]
        table = predictions(held_out, number, **given)
        folds.append(
            Fold(number, Path("out", f"fold_{number}"), table, names[0] - names[1], names[1])
        )
    return folds


#: Everybody's photos, in an order of their own.
SAMPLES = predictions(range(PEOPLE))[["image", "person"]].iloc[::-1].reset_index(drop=True)


def test_each_photo_is_predicted_once_by_the_fold_that_held_its_person_out() -> None:
    folds = make_folds()
    table = out_of_fold(folds, SAMPLES)
    assert table["image"].tolist() == SAMPLES["image"].tolist()
    assert (table["fold"] == table["person"].astype(int) % FOLDS).all()
    for fold in folds:
        mine = table[table["fold"] == fold.number].set_index("image").loc[fold.predictions["image"]]
        np.testing.assert_array_equal(
            mine[list(PROBABILITIES)], fold.predictions[list(PROBABILITIES)]
        )


def leak(folds: list[Fold]) -> list[Fold]:
    """A person of the training is predicted, and split.csv is honest about it."""
    return [replace(folds[0], trained=folds[0].trained | {"000003"}), *folds[1:]]


def others(folds: list[Fold]) -> list[Fold]:
    """The predictions are those of another split."""
    return [replace(folds[0], held_out=folds[0].held_out - {"000003"}), *folds[1:]]


def same_people(folds: list[Fold]) -> list[Fold]:
    """Two folds hold out the same people."""
    return [folds[0], replace(folds[0], number=1, folder=Path("out/fold_1")), folds[2]]


def photo_twice(folds: list[Fold]) -> list[Fold]:
    table = folds[1].predictions
    return [folds[0], replace(folds[1], predictions=pd.concat([table, table[:1]])), folds[2]]


def photo_missing(folds: list[Fold]) -> list[Fold]:
    return [folds[0], replace(folds[1], predictions=folds[1].predictions[1:]), folds[2]]


def photo_gone(folds: list[Fold]) -> list[Fold]:
    more = folds[1].predictions[:1].assign(image="gone.jpg")
    table = pd.concat([folds[1].predictions, more])
    return [folds[0], replace(folds[1], predictions=table), folds[2]]


def no_person(folds: list[Fold]) -> list[Fold]:
    return [replace(folds[0], predictions=folds[0].predictions.drop(columns="person")), *folds[1:]]


def other_crop(folds: list[Fold]) -> list[Fold]:
    for crop, fold in enumerate(folds):
        fold.predictions.attrs["provenance"] = {"preprocessing": {"crop": crop}}
    return folds


@pytest.mark.parametrize(
    ("plant", "sentence"),
    [
        (leak, r"fold_0/val\.parquet: its model was trained on 1 of the 4 .* such as 000003"),
        (others, r"fold_0/val\.parquet: predicts other people than split\.csv holds out, 000003"),
        (same_people, r"fold_1/val\.parquet: 4 of its people .* such as 000000 by fold 0"),
        (photo_twice, r"fold_1/val\.parquet: 000001/0\.jpg appears twice"),
        (photo_missing, r"out: 1 photos are predicted by no fold, such as 000001/0\.jpg"),
        (photo_gone, r"out: 1 photos are predicted and not there any more, such as gone\.jpg"),
        (no_person, r"fold_0/val\.parquet: column person is missing"),
        (other_crop, r"fold_1/val\.parquet: preprocessing must be .*0.* as in .*fold_0.*; got .*1"),
    ],
)
def test_a_planted_leak_or_gap_is_refused_in_one_sentence(plant, sentence) -> None:
    with pytest.raises(InputError, match=sentence) as refused:
        out_of_fold(plant(make_folds()), SAMPLES)
    assert "\n" not in str(refused.value)


def test_years_that_one_fold_does_not_know_have_no_probability() -> None:
    folds = make_folds(years=(20, 30))
    folds[2] = replace(folds[2], predictions=predictions(range(2, 12, 3), years=(30, 60)))
    table = out_of_fold(folds, SAMPLES)
    years = table[[name for name in YEARS if name in table]]
    assert years.columns.tolist() == ["year_20", "year_30", "year_60"]
    np.testing.assert_allclose(years.sum(axis=1), 1)
    assert (years.loc[table["fold"] == 2, "year_20"] == 0).all()


def test_the_mean_of_the_folds_is_that_of_probabilities_and_years_of_each_photo() -> None:
    one = predictions(range(3), seed=1, years=(20, 30)).drop(columns="label")
    other = predictions(range(3), seed=2, years=(30, 60)).drop(columns="label")
    shuffled = other.sample(frac=1, random_state=0)
    mean = mean_of_folds({Path("a"): one, Path("b"): shuffled})
    assert mean["image"].tolist() == one["image"].tolist()
    columns = list(PROBABILITIES)
    np.testing.assert_allclose(mean[columns], (one[columns] + other[columns]) / 2, rtol=1e-6)
    assert mean[["year_20", "year_30", "year_60"]].iloc[0].tolist() == [0.25, 0.5, 0.25]
    aged = [table.assign(age=np.arange(6)) for table in (one, one)]
    assert mean_of_folds(dict(zip("ab", aged, strict=True)))["age"].tolist() == [*range(6)]
    with pytest.raises(InputError, match="a and b have different photos, 1 are in one alone"):
        mean_of_folds({Path("a"): one, Path("b"): other[1:]})


def test_a_model_of_one_attribute_is_put_together_averaged_and_scored() -> None:
    columns = ATTRIBUTE_PROBABILITIES["age"]
    table = out_of_fold(make_folds(columns=columns), SAMPLES)
    assert set(columns) < set(table) and not set(PROBABILITIES) & set(table)
    summary = summarise(table).set_index("part")
    truth = table["label"].astype(int) % 3
    predicted = table[list(columns)].to_numpy().argmax(axis=1)
    assert summary.loc["out of fold", "macro_f1"] == pytest.approx(
        f1_score(truth, predicted, average="macro")
    )
    assert "mask_accuracy" not in summary
    members = {Path(str(seed)): predictions(range(3), seed, columns) for seed in (1, 1)}
    assert set(columns) < set(mean_of_folds(members))


def test_the_summary_has_each_fold_their_mean_and_spread_and_all_people() -> None:
    table = out_of_fold(make_folds(), SAMPLES)
    summary = summarise(table)
    assert summary["part"].tolist() == [
        "0",
        "1",
        "2",
        "mean of folds",
        "std of folds",
        "out of fold",
    ]
    by_part = summary.set_index("part")
    predicted = table[list(PROBABILITIES)].to_numpy().argmax(axis=1)

    def score(rows) -> float:
        options = {"labels": range(18), "average": "macro", "zero_division": 0}
        return f1_score(table["label"].astype(int)[rows], predicted[rows], **options)

    scores = [score(table["fold"] == fold) for fold in range(FOLDS)]
    np.testing.assert_allclose(by_part.loc[["0", "1", "2"], "macro_f1"].astype(float), scores)
    assert by_part.loc["mean of folds", "macro_f1"] == pytest.approx(np.mean(scores))
    assert by_part.loc["std of folds", "macro_f1"] == pytest.approx(np.std(scores, ddof=1))
    pooled = by_part.loc["out of fold"]
    assert pooled["macro_f1"] == pytest.approx(score(slice(None)))
    assert (pooled["people"], pooled["photos"]) == (PEOPLE, 2 * PEOPLE)
    assert pooled["low"] < pooled["macro_f1"] < pooled["high"]
    assert "age_mae" not in summary


def test_the_summary_of_a_model_of_years_has_the_error_of_the_ages() -> None:
    folds = make_folds(years=(20, 30, 40))  # the median is 30
    for fold in folds:
        fold.predictions["age"] = pd.array(30 + 4 * fold.number + np.arange(8) // 2, dtype="Int16")
    table = out_of_fold(folds, SAMPLES)
    summary = summarise(table).set_index("part")
    assert summary.loc[["0", "1", "2"], "age_mae"].tolist() == [1.5, 5.5, 9.5]
    assert summary.loc[["mean of folds", "std of folds"], "age_mae"].tolist() == [5.5, 4]
    assert summary.loc["mean of folds", ["age_mae_low", "age_bias_high", "people"]].isna().all()
    pooled = summary.loc["out of fold"]
    assert (pooled["age_bias"], pooled["age_within_5"]) == (-5.5, 6 / 12)
    assert pooled["age_mae_low"] < 5.5 < pooled["age_mae_high"]
