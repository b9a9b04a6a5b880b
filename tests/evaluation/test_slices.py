import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from mmmask.errors import InputError
from mmmask.evaluation.slices import (
    FEWEST,
    by_age,
    by_tag,
    by_thirds,
    by_value,
    slice_scores,
)
from mmmask.labels import decode

PEOPLE = 40


@pytest.fixture
def photos():
    random = np.random.default_rng(0)
    person = np.repeat(np.arange(PEOPLE), 7)
    truth = random.integers(0, 6, PEOPLE)[person] + np.tile([0, 0, 0, 0, 0, 6, 12], PEOPLE)
    wrong = random.integers(0, 18, len(person))
    told = np.where(random.random(len(person)) < 0.6, truth, wrong)
    image = [f"train/images/{who}/{k % 7}.jpg" for k, who in enumerate(person)]
    age = random.integers(18, 70, PEOPLE)[person]
    names = [f"p{who}" for who in person]
    return pd.DataFrame({"image": image, "person": names, "truth": truth, "told": told, "age": age})


def scored(photos, members, attribute=None):
    arrays = (photos[name].to_numpy() for name in ("person", "truth", "told"))
    return slice_scores(*arrays, members, attribute).set_index("slice")


def test_scores_of_slices_are_those_of_pandas_and_scikit_learn(photos):
    found = scored(photos, by_age(photos["age"]))
    assert found["photos"].sum() == len(photos)
    bins = pd.cut(photos["age"], np.arange(15, 80, 5), right=False)
    for interval, part in photos.groupby(bins, observed=True):
        row = found.loc[f"{interval.left}-{interval.right - 1}"]
        assert row["photos"] == len(part)
        assert row["units"] == part["person"].nunique()
        assert row["accuracy"] == pytest.approx((part["truth"] == part["told"]).mean())
        true, told = (decode(part[name].to_numpy())["age"] for name in ("truth", "told"))
        assert row["age_accuracy"] == pytest.approx((true == told).mean())
        present = np.unique(part["truth"])
        assert row["classes"] == len(present)
        expected = f1_score(
            part["truth"], part["told"], labels=present, average="macro", zero_division=0
        )
        assert row["macro_f1"] == pytest.approx(expected)


def test_bounds_are_the_quantiles_of_a_loop_over_drawn_people(photos):
    part = photos[photos["age"] < 40]
    row = scored(photos, {"young": (photos["age"] < 40).to_numpy()}).loc["young"]
    random = np.random.default_rng(1)
    right = (part["truth"] == part["told"]).groupby(part["person"]).agg(["sum", "size"])
    shares = []
    for _ in range(2000):
        drawn = right.iloc[random.integers(0, len(right), len(right))]
        shares.append(drawn["sum"].sum() / drawn["size"].sum())
    low, high = np.quantile(shares, [0.025, 0.975])
    assert row["accuracy_low"] == pytest.approx(low, abs=0.02)
    assert row["accuracy_high"] == pytest.approx(high, abs=0.02)


def test_few_people_have_no_interval_and_an_empty_slice_no_row(photos):
    few = photos["person"].isin([f"p{k}" for k in range(FEWEST - 1)]).to_numpy()
    found = scored(photos, {"few": few, "none": np.zeros(len(photos), bool)})
    assert found.index.tolist() == ["few"]
    assert np.isnan(found.loc["few", ["accuracy_low", "macro_f1_high"]].astype(float)).all()
    assert np.isfinite(found.loc["few", "accuracy"])


def test_a_model_of_one_attribute_is_scored_by_its_values(photos):
    photos["truth"], photos["told"] = (photos[name] % 3 for name in ("truth", "told"))
    found = scored(photos, {"all": np.ones(len(photos), bool)}, "age")
    assert set(found.columns) == {
        *("units", "photos", "classes", "macro_f1", "macro_f1_low", "macro_f1_high"),
        *("accuracy", "accuracy_low", "accuracy_high"),
    }


def test_ages_fall_into_five_years_whose_edges_are_those_of_the_age_groups():
    found = by_age([29, 30, 34, 60, np.nan])
    assert {name: np.flatnonzero(rows).tolist() for name, rows in found.items()} == {
        "25-29": [0], "30-34": [1, 2], "60-64": [3],
    }  # fmt: skip


def test_thirds_hold_each_known_value_once():
    values = np.append(np.random.default_rng(0).uniform(0, 255, 90), np.nan)
    found = by_thirds(values, ("dark", "middle", "bright"))
    assert [rows.sum() for rows in found.values()] == [30, 30, 30]
    assert not any(rows[-1] for rows in found.values())
    dark, middle, bright = (values[rows] for rows in found.values())
    assert dark.max() <= middle.min() <= middle.max() <= bright.min()


def test_values_keep_their_order_and_missing_ones_are_in_none():
    found = by_value(["b", None, "a", "b"], ["b", "a"])
    assert {name: rows.tolist() for name, rows in found.items()} == {
        "b": [True, False, False, True], "a": [False, False, True, False],
    }  # fmt: skip


def test_tags_are_of_people_or_of_photos_and_may_overlap(photos, tmp_path):
    path = tmp_path / "tags.csv"
    path.write_text("person,tag\np0,glasses\np1,glasses\np1,hat\nsomebody,hat\n")
    found = by_tag(str(path), photos["image"], photos["person"])
    assert [rows.sum() for rows in found.values()] == [14, 7, 7 * (PEOPLE - 2)]
    assert list(found) == ["glasses", "hat", "no tag"]
    path.write_text("image,tag\ntrain/images/0/3.jpg,glasses\n")
    assert by_tag(str(path), photos["image"], None)["glasses"].sum() == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("person\np0\n", "column tag is missing"),
        ("who,tag\np0,hat\n", "column person or image is missing; columns received: who, tag"),
        ("person,tag\nnobody,hat\n", "none of its 1 rows names a person that was scored"),
    ],
)
def test_tags_of_nobody_are_refused(text, message, photos, tmp_path):
    path = tmp_path / "tags.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        by_tag(str(path), photos["image"], photos["person"])
