"""Labels hidden by person, and three ways to learn from what is left."""

import numpy as np
import pandas as pd
import pytest

from mmmask.datasets.layout import MASK_OF_STEM, with_labels
from mmmask.errors import InputError
from mmmask.known import classes_of, values_of
from mmmask.labels import decode
from mmmask.workflows.studies.partial_labels import complete, filled, hidden

PEOPLE = [f"{number:02}" for number in range(30)]
AGES = (22, 45, 60)


def everybody() -> pd.DataFrame:
    rows = [
        (f"{who}/{stem}.jpg", who, mask, ("male", "female")[number % 2], AGES[number // 2 % 3])
        for number, who in enumerate(PEOPLE)
        for stem, mask in MASK_OF_STEM.items()
    ]
    samples = pd.DataFrame(rows, columns=["image", "person", "mask", "gender", "age"])
    return with_labels(samples.astype({"age": "Int16"}))


def less(**hide) -> pd.DataFrame:
    return hidden(everybody(), hide, np.array(PEOPLE), 60)


def known(samples: pd.DataFrame) -> dict[str, set[str]]:
    """Return the people of whom each attribute is known, and check that it is right."""
    found = {}
    truth = decode(everybody()["label"].to_numpy(np.int64))
    for name, values in values_of(classes_of(samples)).items():
        sure = values.sum(axis=1) == 1
        assert (values[sure].argmax(axis=1) == truth[name][sure]).all()
        assert values[~sure].all()
        found[name] = set(samples["person"][sure])
    return found


def test_the_mask_is_known_of_all_and_the_rest_of_a_share_of_the_people() -> None:
    samples = less(kind="mask_everywhere", share=0.2)
    some = set(PEOPLE[:6])
    assert known(samples) == {"mask": set(PEOPLE), "gender": some, "age": some}
    assert samples["age"].notna().sum() == 6 * 7
    assert len(complete(samples)) == 6 * 7
    assert "fits" not in complete(samples)
    assert len(known(less(kind="mask_everywhere"))["age"]) == 3


def test_each_third_of_the_people_knows_one_attribute() -> None:
    found = known(less(kind="thirds"))
    assert found == {
        "mask": set(PEOPLE[:10]), "gender": set(PEOPLE[10:20]), "age": set(PEOPLE[20:])
    }  # fmt: skip


def test_ages_are_known_as_decades() -> None:
    samples = less(kind="decades")
    assert samples["age"].isna().all()
    assert set(zip(samples["age_from"], samples["age_to"], strict=True)) == {
        (20, 29), (40, 49), (60, 69)
    }  # fmt: skip
    assert (samples["label"] == everybody()["label"]).all()
    with_cut = hidden(everybody(), {"kind": "decades"}, np.array(PEOPLE), 57)
    assert with_cut["label"].notna().all()


def test_what_is_not_known_already_cannot_be_hidden() -> None:
    samples = everybody()
    samples.loc[3, "gender"] = None
    with pytest.raises(InputError, match=r"hide needs the gender of each photo; 00/mask4\.jpg has"):
        hidden(samples, {"kind": "thirds"}, np.array(PEOPLE), 60)


def test_a_first_head_answers_among_the_classes_that_fit() -> None:
    samples = less(kind="thirds")
    asked = []

    def fit(learned: pd.DataFrame, images) -> np.ndarray:
        asked.append((learned, images))
        answers = np.full((len(images), 18), 0.01)
        answers[:, 17] = 0.6  # normal female >=60
        answers[:, 2] = 0.1  # wear male >=60
        return answers

    found = filled(samples, fit)
    assert asked[0][0] is samples
    assert asked[0][1] == samples["image"].tolist()
    assert "fits" not in found
    parts = decode(found["label"].to_numpy(np.int64))
    truth = decode(everybody()["label"].to_numpy(np.int64))
    third = np.repeat(np.arange(3), 70)
    for number, name in enumerate(parts):
        assert (parts[name] == truth[name])[third == number].all()
    assert (found["label"][(third == 0) & (truth["mask"] == 2)] == 17).all()
    assert (found["label"][(third == 1) & (truth["gender"] == 0)] == 2).all()


def test_photos_of_which_nothing_is_complete_are_refused() -> None:
    with pytest.raises(InputError, match="learn='complete' needs photos of which all is known"):
        complete(less(kind="thirds"))
