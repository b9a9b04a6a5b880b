"""Predictions in words: one answer per photo, with its three attributes."""

import numpy as np
import pandas as pd

from mmmask.labels import ATTRIBUTES, decode, marginals, median_age
from mmmask.table_checks import checked
from mmmask.tables import ANSWERS, attribute_of, probabilities, years_of


def readable(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the answers to predictions: the most probable class by its attributes' names.

    The attributes are those of the most probable class, so that they belong together; how
    probable each is alone stands beside it.

    Args:
        predictions: Of the 18 classes or of one attribute, see ``mmmask.tables``.

    Returns:
        A table as ``mmmask.tables.ANSWERS`` defines it, one row for each row of ``predictions``.
    """
    values, attribute = probabilities(predictions), attribute_of(predictions)
    answer = values.argmax(axis=1)
    rows = np.arange(len(answer))
    columns = {"image": predictions["image"].to_numpy(), "probability": values[rows, answer]}
    if attribute is None:
        columns["answer"] = answer
        parts, alone = decode(answer), marginals(values)
    else:
        parts, alone = {attribute: answer}, {attribute: values}
    for name, part in parts.items():
        columns["age_group" if name == "age" else name] = np.take(ATTRIBUTES[name], part)
        columns[f"{name}_probability"] = alone[name][rows, part]
    years = years_of(predictions)
    if years is not None:
        columns["median_age"] = median_age(years)
    return checked(pd.DataFrame(columns), ANSWERS, "answers")
