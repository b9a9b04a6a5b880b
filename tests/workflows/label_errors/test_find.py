"""Planted label errors are found, and the list of them corrects the labels."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmmask.datasets.corrections import SWAP, correct, read_corrections
from mmmask.datasets.layout import read_train, with_labels
from mmmask.errors import InputError
from mmmask.labels import GENDERS, MASKS, NUM_YEARS, group_probabilities, product
from mmmask.tables import (
    LABEL_ISSUES,
    PREDICTIONS,
    prediction_columns,
    read_table,
    write_table,
    year_columns,
)
from mmmask.workflows.label_errors.find import find_label_errors

FLIPPED, SWAPPED, AGED = 3, 7, 11  # people with a wrong gender, exchanged photos, a wrong age


@dataclass(frozen=True)
class Planted:
    """A folder with label errors, and what a good model says of its photos."""

    root: Path
    names: list[str]
    truth: pd.DataFrame
    parts: dict[str, np.ndarray]
    years: np.ndarray

    @property
    def joint(self) -> np.ndarray:
        return product(self.parts)

    def write(self, path: Path, attribute: str | None = None, years: bool = True, **stated) -> Path:
        """Write predictions of a model, with the labels of the folder as they are."""
        labelled = with_labels(read_train(self.root))
        values = self.joint if attribute is None else self.parts[attribute]
        columns, names = prediction_columns(attribute)
        table = pd.concat(
            [
                labelled[["image", "label", "person"]],
                pd.DataFrame(values, columns=list(names)),
                *([year_columns(self.years)] if years and attribute in (None, "age") else []),
            ],
            axis=1,
        )
        write_table(path, table, columns, {"split": "oof", **stated})
        return path


@pytest.fixture
def planted(make_layout) -> Planted:
    """Forty people of all ages; three of them with a label error."""
    random = np.random.default_rng(0)
    people = [(f"{i:06d}", GENDERS[i % 2], 20 + i) for i in range(45)]
    true_gender = [gender for _, gender, _ in people]
    true_age = [age for *_, age in people]
    true_gender[FLIPPED] = GENDERS[(FLIPPED + 1) % 2]
    true_age[AGED] = 75
    root = make_layout(people)
    samples = read_train(root)
    number = samples["person"].str[:6].astype(int)
    mask = pd.Categorical(samples["mask"], categories=MASKS).codes.astype(int)
    swapped = number == SWAPPED
    mask = np.where(swapped & (mask > 0), 3 - mask, mask)
    truth = samples.assign(
        mask=np.take(MASKS, mask),
        gender=np.take(true_gender, number),
        age=np.take(true_age, number),
    )
    shown = np.take(random.normal(true_age, 3), number)  # the age that the person seems to have
    years = np.exp(-0.5 * ((np.arange(NUM_YEARS) - shown[:, None]) / 5) ** 2)
    years /= years.sum(axis=1, keepdims=True)

    def sure(values: np.ndarray, classes: int) -> np.ndarray:
        p = np.exp(random.normal(0, 0.5, (len(values), classes)) + 3 * np.eye(classes)[values])
        return p / p.sum(axis=1, keepdims=True)

    gender = pd.Categorical(truth["gender"], categories=GENDERS).codes.astype(int)
    parts = {"mask": sure(mask, 3), "gender": sure(gender, 2), "age": group_probabilities(years)}
    names = samples["person"].drop_duplicates().tolist()
    return Planted(root, names, truth, parts, years)


def find(planted: Planted, *tables: Path, out: str = "suspects.csv", **options):
    return find_label_errors(tables, planted.root / out, data_root=planted.root, **options)


def firsts(issues: pd.DataFrame) -> dict[str, tuple]:
    first = issues.groupby("kind", sort=False).first()
    return {row.Index: (row.person[:6], row.photo, row.value) for row in first.itertuples()}


def test_each_planted_error_is_the_first_of_its_kind_and_the_only_one(planted) -> None:
    found = find(planted, planted.write(planted.root / "oof.parquet"))
    assert firsts(found.issues) == {
        "gender": (f"{FLIPPED:06d}", "*", planted.truth.loc[7 * FLIPPED, "gender"]),
        "mask": (f"{SWAPPED:06d}", "*", SWAP),
        "age": (f"{AGED:06d}", "*", firsts(found.issues)["age"][2]),
    }
    counts = found.issues["kind"].value_counts()
    assert (counts["gender"], counts["mask"]) == (1, 1)
    assert abs(int(firsts(found.issues)["age"][2]) - 75) <= 6
    summary = found.summary.set_index("kind")
    assert summary["labels"].to_dict() == {"gender": 45, "mask": 315, "age": 45}
    for kind, wrong in {"gender": 1, "mask": 2, "age": 1}.items():
        assert summary.loc[kind, "wrong"].low < wrong < summary.loc[kind, "wrong"].high
        listed = found.issues.loc[found.issues["kind"] == kind, "probability"]
        assert summary.loc[kind, "listed_wrong"] == pytest.approx(listed.sum())


def test_the_list_is_a_corrections_csv_that_makes_the_labels_right(planted) -> None:
    find(planted, planted.write(planted.root / "oof.parquet"), top=1)
    path = planted.root / "suspects.csv"
    assert path.read_text().startswith("kind,person,photo,field,value,probability,reason\n")
    samples = correct(read_train(planted.root), read_corrections(path), str(path))
    for name in ("mask", "gender"):
        assert samples[name].tolist() == planted.truth[name].tolist()
    fixed = with_labels(samples)["label"].tolist()
    assert fixed == with_labels(planted.truth)["label"].tolist()


def test_the_list_reads_back_with_provenance_and_reasons(planted) -> None:
    oof = planted.write(planted.root / "oof.parquet")
    found = find(planted, oof, out="suspects.parquet")
    table = read_table(planted.root / "suspects.parquet", LABEL_ISSUES)
    pd.testing.assert_frame_equal(table, found.issues, check_dtype=False)
    (given,) = table.attrs["provenance"]["inputs"]
    assert given["path"] == str(oof)
    reasons = table.set_index("kind")["reason"]
    assert reasons["mask"].startswith("incorrect_mask looks normal (0.")
    assert "; the photos say female: 0." in reasons["gender"] or "say male: 0." in reasons["gender"]
    (aged,) = table.loc[table["person"].str.startswith(f"{AGED:06d}"), "reason"]
    assert aged.startswith(f"labelled {20 + AGED}; the photos say ")


def test_a_single_photo_may_be_named_wrongly(planted) -> None:
    row = planted.truth.index[planted.truth["image"].str.contains("000020.*incorrect_mask")][0]
    planted.parts["mask"][row] = [0.9, 0.06, 0.04]
    found = find(planted, planted.write(planted.root / "oof.parquet"), min_score=0.01)
    masks = found.issues[found.issues["kind"] == "mask"]
    assert ("incorrect_mask", "wear") in zip(masks["photo"], masks["value"], strict=True)
    assert masks["reason"].str.startswith("named incorrect (0.06), looks wear (0.90)").any()


def test_models_of_one_attribute_serve_for_it_and_several_are_averaged(planted) -> None:
    joint = planted.write(planted.root / "oof.parquet")
    alone = [planted.write(planted.root / f"{name}.parquet", name) for name in ("age", "gender")]
    assert set(find(planted, *alone).issues["kind"]) == {"age", "gender"}
    both = find(planted, joint, *alone)
    assert firsts(both.issues).keys() == {"gender", "mask", "age"}
    columns = ["kind", "person", "photo", "field", "value"]
    pd.testing.assert_frame_equal(
        both.issues[columns], find(planted, joint).issues[columns], check_dtype=False
    )


def test_the_order_of_rows_in_a_second_table_changes_no_bit(planted) -> None:
    one, other = (planted.write(planted.root / f"{name}.parquet") for name in ("one", "other"))
    find(planted, one, other, min_score=0)
    expected = (planted.root / "suspects.csv").read_bytes()
    shuffled = read_table(other, PREDICTIONS).sample(frac=1, random_state=0)
    write_table(other, shuffled, PREDICTIONS, {"split": "oof"})
    find(planted, one, other, min_score=0)
    assert (planted.root / "suspects.csv").read_bytes() == expected


def test_without_years_an_age_of_the_other_group_is_proposed(planted) -> None:
    found = find(planted, planted.write(planted.root / "oof.parquet", years=False))
    person, photo, value = firsts(found.issues)["age"]
    assert (person, photo) == (f"{AGED:06d}", "*")
    assert int(value) >= 60
    reasons = found.issues.loc[found.issues["kind"] == "age", "reason"]
    assert reasons.iloc[0].startswith(f"labelled {20 + AGED}; the photos say >=60 (1.00)")


def test_what_is_listed_can_be_limited(planted) -> None:
    oof = planted.write(planted.root / "oof.parquet")
    everything = find(planted, oof, top=15, min_score=0)
    assert everything.issues["kind"].value_counts().to_dict() == dict.fromkeys(
        ("gender", "mask", "age"), 15
    )
    for _, part in everything.issues.groupby("kind"):
        assert part["probability"].is_monotonic_decreasing
    nothing = find(planted, oof, min_score=1)
    assert nothing.issues.empty
    assert read_corrections(planted.root / "suspects.csv").empty


def test_a_model_trained_with_corrections_is_judged_by_the_corrected_labels(planted) -> None:
    oof = planted.write(planted.root / "oof.parquet")
    fixed = planted.root / "fixed.csv"
    value = planted.truth.loc[7 * FLIPPED, "gender"]
    fixed.write_text(f"person,photo,field,value\n{FLIPPED:06d},*,gender,{value}\n")
    with pytest.raises(InputError, match=r"7 photos have another label .* --corrections"):
        find(planted, oof, corrections=fixed)
    table = read_table(oof, PREDICTIONS)
    right = with_labels(correct(read_train(planted.root), read_corrections(fixed), ""))
    write_table(oof, table.assign(label=right["label"]), PREDICTIONS)
    assert "gender" not in set(find(planted, oof, corrections=fixed).issues["kind"])
    with pytest.raises(InputError, match="give the --corrections of the training"):
        find(planted, oof)


def test_input_at_fault_is_named(planted, tmp_path) -> None:
    write = planted.write
    with pytest.raises(InputError, match=r"split must be oof or val, .* got train"):
        find(planted, write(tmp_path / "a.parquet", split="train"))
    with pytest.raises(InputError, match=r"old_from must be 60, .* got 58"):
        find(planted, write(tmp_path / "a.parquet", old_from=58))
    oof = write(tmp_path / "oof.parquet")
    for column, sentence in (("label", "label is missing"), ("person", "column person must name")):
        path = tmp_path / "less.parquet"
        write_table(path, read_table(oof, PREDICTIONS).drop(columns=column), PREDICTIONS)
        with pytest.raises(InputError, match=f"less.parquet: {sentence}"):
            find(planted, path)
    moved = read_table(oof, PREDICTIONS)
    moved["image"] = "x/" + moved["image"]
    write_table(path, moved, PREDICTIONS)
    with pytest.raises(InputError, match=r"315 of its photos are not in .*/data, such as x/train"):
        find(planted, path)
    with pytest.raises(InputError, match="--calibration needs one file for each of the 1 members"):
        find(planted, oof, calibrations=["a.json", "b.json"])
    with pytest.raises(InputError, match=r"oof\.parquet is given twice"):
        find(planted, oof, oof)
    submission = tmp_path / "submission.csv"
    submission.write_text("ImageID,ans\nx.jpg,3\n")
    with pytest.raises(InputError, match=r"must be predictions, .*; got a submission"):
        find(planted, submission)
    with pytest.raises(InputError, match="--top must be at least 1; got 0"):
        find(planted, oof, top=0)
    with pytest.raises(InputError, match=r"--min-score must be from 0 to 1; got 2\.5"):
        find(planted, oof, min_score=2.5)
    assert not (planted.root / "suspects.csv").exists()
