import numpy as np
import pandas as pd
import pytest

from mmmask.labels import GENDERS, MASKS, decode, marginals, to_bits
from mmmask.tables import PROBABILITIES
from mmmask.workflows.label_errors.find import photos_held_out, ranked_issues
from tests.fake_run import made_predictions, made_samples


@pytest.mark.parametrize(("kind", "values"), [("mask", MASKS), ("gender", GENDERS)])
def test_a_label_is_doubted_by_the_photos_that_know_it(kind, values) -> None:
    samples = made_samples(people=24).drop(columns="gender")
    table = made_predictions(samples)
    parts = {
        name: [part]
        for name, part in marginals(table[list(PROBABILITIES)].to_numpy(np.float64)).items()
    }
    known = samples["person"].str[:3].astype(int).to_numpy() % 3 > 0
    fits = np.eye(18, dtype=bool)[samples["label"]]
    own, every = decode(samples["label"]), decode(np.arange(18))
    others = [name for name in own if name != kind]
    for row in np.flatnonzero(~known):  # all but this attribute is known
        fits[row] = np.all([every[name] == own[name][row] for name in others], axis=0)
    partly = samples.assign(
        label=pd.array(np.where(known, samples["label"], 0), dtype="Int8"), fits=to_bits(fits)
    )
    partly.loc[~known, "label"] = pd.NA
    options = {"top": 100, "min_score": 0.0}
    issues, _ = ranked_issues(photos_held_out(partly, parts, None), **options)
    rest = {name: [part[known] for part in each] for name, each in parts.items()}
    alone = samples[known].reset_index(drop=True)
    expected, _ = ranked_issues(photos_held_out(alone, rest, None), **options)
    found, wanted = (each[each["kind"] == kind] for each in (issues, expected))
    assert len(found) and set(found["value"]) <= {*values, "swap incorrect and normal"}
    pd.testing.assert_frame_equal(found.reset_index(drop=True), wanted.reset_index(drop=True))
    assert len(issues[issues["kind"] == "age"])
