import numpy as np
import pandas as pd
import pytest

from mmmask.labels import COMPETITION_CUTS
from mmmask.tables import PREDICTIONS, checked
from mmmask.workflows import testing


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
