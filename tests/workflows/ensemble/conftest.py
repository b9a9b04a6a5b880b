"""Tables of simulated models, written as an ensemble reads them."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from simulated_tables import STATED, simulated

from mmmask.tables import ATTRIBUTE_PREDICTIONS, PREDICTIONS, write_table


@pytest.fixture
def write(tmp_path) -> Callable[..., Path]:
    """Return a function that writes a table with its provenance, and returns its path."""

    def write(name: str, table: pd.DataFrame, **stated: object) -> Path:
        attribute = next((a for a in ATTRIBUTE_PREDICTIONS if f"{a}_0" in table), None)
        columns = PREDICTIONS if attribute is None else ATTRIBUTE_PREDICTIONS[attribute]
        path = tmp_path / name
        write_table(path, table, columns, {**STATED, **stated})
        return path

    return write


@pytest.fixture
def three(write) -> list[Path]:
    """Predictions of three models of the same labelled photos."""
    return [
        write(f"{name}.parquet", simulated(skill, seed=seed))
        for seed, (name, skill) in enumerate([("weak", 1.5), ("fair", 2.2), ("good", 3.0)])
    ]
