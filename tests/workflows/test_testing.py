import numpy as np
import pandas as pd
import pytest

from mmmask.datasets.layout import with_labels
from mmmask.labels import COMPETITION_CUTS
from mmmask.table_checks import checked
from mmmask.tables import PREDICTIONS
from mmmask.workflows import testing
from mmmask.workflows.score import intervals_of


@pytest.mark.parametrize(
    ("ages", "known"), [([20, 30], [20, 30]), ([20, None], [20, None]), ([None, None], None)]
)
def test_predictions_have_the_true_ages_as_far_as_they_are_known(ages, known) -> None:
    samples = pd.DataFrame({"image": ["a.jpg", "b.jpg"], "person": ["a", "b"], "label": [0, None]})
    samples["age"] = pd.array(ages, dtype="Int16")
    years = np.eye(121, dtype=np.float32)[[20, 30]]
    tested = testing.Tested(samples, np.full((2, 18), 1 / 18, np.float32), years, None)
    table = checked(tested.table(COMPETITION_CUTS), PREDICTIONS, "table")
    assert "label" not in table  # known of all or of none
    if known is None:
        assert "age" not in table
    else:
        assert table["age"].equals(pd.Series(known, dtype="Int16"))


def test_predictions_keep_what_fits_and_several_sources() -> None:
    samples = with_labels(
        pd.DataFrame(
            {"image": ["a.jpg", "b.jpg"], "person": ["a", "b"], "mask": ["wear", "normal"]}
            | {"gender": ["male", None], "age": pd.array([20, None], dtype="Int16")}
        )
    )
    probabilities = np.full((2, 18), 1 / 18, np.float32)
    for sources, kept in ((["x", "y"], True), (["x", "x"], False)):
        tested = testing.Tested(samples.assign(source=sources), probabilities, None, None)
        table = checked(tested.table(COMPETITION_CUTS), PREDICTIONS, "table")
        assert table["label"].isna().tolist() == [False, True]
        assert table["fits"].tolist() == samples["fits"].tolist()
        assert ("source" in table) == kept


def test_predictions_of_one_model_are_of_no_folds() -> None:
    samples = pd.DataFrame({"image": ["a.jpg"], "label": [3], "fold": [0]})
    tested = testing.Tested(samples, np.full((1, 18), 1 / 18, np.float32), None, None)
    table = tested.table(COMPETITION_CUTS)
    assert list(table.columns[:2]) == ["image", "label"]
    assert "fold" not in table


def test_predictions_of_photos_of_which_none_has_a_label_keep_what_fits() -> None:
    samples = pd.DataFrame({"image": ["a.jpg", "b.jpg"], "mask": ["wear", "normal"]})
    samples = with_labels(samples.assign(person=samples["image"]))
    tested = testing.Tested(samples, np.full((2, 18), 1 / 18, np.float32), None, None)
    table = checked(tested.table(COMPETITION_CUTS), PREDICTIONS, "table")
    assert table["label"].isna().all()
    assert set(intervals_of(table)) == {"mask_accuracy"}
