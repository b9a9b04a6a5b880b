import numpy as np
import pandas as pd
import pytest

from mmmask.datasets.layout import with_labels
from mmmask.errors import InputError
from mmmask.known import (
    ages_of,
    check_known,
    class_counts,
    classes_of,
    expected_counts,
    labels_of,
    values_of,
)
from mmmask.labels import fitting_classes


def known(**columns):
    count = len(next(iter(columns.values())))
    return with_labels(pd.DataFrame({"image": [f"{row}.jpg" for row in range(count)], **columns}))


def test_a_label_is_a_set_of_one_class_and_a_missing_one_is_what_fits() -> None:
    samples = known(mask=["wear", "wear", None], gender=["male", None, None], age=[20, 20, None])
    assert labels_of(samples).tolist() == [0, -1, -1]
    assert [np.flatnonzero(row).tolist() for row in classes_of(samples)[:2]] == [[0], [0, 3]]
    assert classes_of(samples)[2].all()
    # Further samples have a label and nothing else.
    more = pd.concat([samples, pd.DataFrame({"image": ["x"], "label": [17]})], ignore_index=True)
    assert np.flatnonzero(classes_of(more)[3]).tolist() == [17]


def test_values_of_an_attribute_are_those_of_its_classes() -> None:
    fits = fitting_classes([0, -1], [1, -1], [25, 0], [35, 120])
    values = values_of(fits)
    assert values["mask"].tolist() == [[True, False, False], [True] * 3]
    assert values["gender"].tolist() == [[False, True], [True] * 2]
    assert values["age"].tolist() == [[True, True, False], [True] * 3]


def test_an_age_is_a_year_a_range_or_unknown() -> None:
    columns = {"age": [20, None, None, None], "age_from": [None, 30, 40, None]}
    samples = pd.DataFrame({**columns, "age_to": [None, 39, 40, None]}).astype("Int16")
    ages, spans = ages_of(samples)
    assert ages.tolist() == [20, -1, 40, -1]
    assert spans.tolist() == [[20, 20], [30, 39], [40, 40], [0, 120]]
    assert ages_of(samples.iloc[[0, 2, 3]])[1] is None
    assert ages_of(samples.iloc[[3]]) == (None, None)


def test_known_classes_are_counted_one_by_one() -> None:
    labels = np.random.default_rng(0).integers(18, size=500)
    counts = expected_counts(np.eye(18, dtype=bool)[labels])
    assert counts.dtype == np.int64
    assert counts.tolist() == np.bincount(labels, minlength=18).tolist()
    assert class_counts(pd.DataFrame({"label": labels})).tolist() == counts.tolist()


def test_expected_counts_are_the_most_likely_shares() -> None:
    # 60 photos of class 0, 20 of class 1, 40 that are one of the two: 3 to 1.
    fits = np.zeros((120, 18), dtype=bool)
    fits[:60, 0] = fits[60:80, 1] = fits[80:, :2] = True
    np.testing.assert_allclose(expected_counts(fits)[:3], [90, 30, 0], atol=0.01)


@pytest.mark.parametrize("seed", range(3))
def test_no_other_shares_are_more_likely(seed) -> None:
    random = np.random.default_rng(seed)
    known = [np.where(random.random(400) < 0.5, random.integers(n, size=400), -1) for n in (3, 2)]
    ages = random.choice([10, 40, 70], size=400, p=[0.5, 0.3, 0.2])
    seen = random.random(400) < 0.7
    fits = fitting_classes(*known, np.where(seen, ages, 0), np.where(seen, ages, 120))

    def likelihood(counts):
        return np.log(fits @ (counts / counts.sum())).sum()

    counts = expected_counts(fits)
    assert counts.sum() == pytest.approx(400)
    for _ in range(200):
        assert likelihood(counts * np.exp(random.normal(0, 0.05, 18))) <= likelihood(counts) + 1e-3


def test_a_class_with_less_than_half_a_photo_has_none() -> None:
    fits = np.zeros((101, 18), dtype=bool)
    fits[:100, 0] = fits[100, :4] = True
    assert expected_counts(fits)[1:].max() == 0
    assert (expected_counts(np.ones((3, 18), dtype=bool)) > 0).all()


def test_an_attribute_that_no_photo_knows_is_named() -> None:
    samples = known(mask=["wear", "normal"], age=[20, 40])
    check_known(samples, ["mask", "age"])
    with pytest.raises(InputError, match="no training photo has a known gender; add photos"):
        check_known(samples, ["mask", "gender"])
