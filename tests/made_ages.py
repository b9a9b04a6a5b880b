"""Predictions of a model of years that is certain of one age for each photo."""

import numpy as np
import pandas as pd

from mmmask.labels import NUM_YEARS, age_group, encode
from mmmask.tables import year_columns


def certain(ages) -> pd.DataFrame:
    """Return the columns of years whose probabilities all lie on these ages."""
    return year_columns(np.eye(NUM_YEARS, dtype=np.float32)[np.asarray(ages)])


def table_of(true, predicted, person=None, gender=0) -> pd.DataFrame:
    """Return label, age (None: unknown), person and years, without probabilities of classes."""
    known = np.array([30 if age is None else age for age in true])
    photos = {"label": encode(0, gender, age_group(known)), "age": pd.array(true, dtype="Int16")}
    if person is not None:
        photos["person"] = person
    return pd.concat([pd.DataFrame(photos), certain(predicted)], axis=1)
