"""How far the ages of a model of years are from the true ones, in plain numpy.

The predicted age is the median of the probabilities of the years: no other answer has a smaller
expected absolute error. A mean would be drawn to the middle by the tails.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mmmask.evaluation.intervals import units_to_draw
from mmmask.evaluation.slices import Members, by_age, by_value, slice_means
from mmmask.known import named, truths_of
from mmmask.labels import AGE_GROUPS, GENDERS, age_group, median_age
from mmmask.tables import years_of

#: Up to so many years beside the true age, a prediction counts as near.
NEAR = 5
MAE, NEARBY, BIAS = "age_mae", f"age_within_{NEAR}", "age_bias"


def age_errors(years: NDArray[np.floating], age: ArrayLike) -> NDArray[np.int64]:
    """Return predicted minus true age in years; positive is too old.

    Shape:
        ``years``: (N, 121) probabilities of the ages; ``age``: (N,) true ages -> (N,).
    """
    return median_age(years) - np.asarray(age, dtype=np.int64)


@dataclass(frozen=True)
class Ages:
    """Predicted ages of the photos whose true age is known.

    Attributes:
        true: (N,) true ages in years.
        errors: (N,) predicted minus true age in years.
        gender: (N,) index of the gender, -1 where unknown.
        units: (N,) of whom, see ``units_to_draw``.
        unit: What that is: "people" or "photos".
        photos: How many photos are predicted, those of unknown age included.
    """

    true: NDArray[np.int64]
    errors: NDArray[np.int64]
    gender: NDArray[np.int64]
    units: NDArray
    unit: str
    photos: int

    @classmethod
    def of(cls, table: pd.DataFrame) -> "Ages | None":
        """Return the ages of a predictions table with the column ``label``.

        None: it has no years, or knows no true age.
        """
        years = years_of(table)
        if years is None or "age" not in table or table["age"].isna().all():
            return None
        known = table["age"].notna().to_numpy()
        true = table["age"][known].to_numpy(dtype=np.int64)
        units, unit = units_to_draw(table)
        gender = truths_of(table)["gender"][known]
        return cls(true, age_errors(years[known], true), gender, units[known], unit, len(table))

    @property
    def predicted(self) -> NDArray[np.int64]:
        """(N,) predicted ages in years."""
        return self.true + self.errors

    @property
    def scores(self) -> pd.DataFrame:
        """One row: the scores of all photos, as :meth:`by` has them."""
        return self.by({"all": np.ones(len(self.true), dtype=bool)})

    @property
    def slices(self) -> dict[str, Members]:
        """What the photos are sliced by -> the slices."""
        return {
            "age group": by_value(np.take(AGE_GROUPS, age_group(self.true)), list(AGE_GROUPS)),
            "gender": by_value(named(self.gender, GENDERS), list(GENDERS)),
            "true age": by_age(self.true),
        }

    def by(self, members: Members) -> pd.DataFrame:
        """Return the scores of slices, with 95 % intervals as :func:`.slices.slice_means`.

        ``age_mae`` is the mean absolute error in years, ``age_within_5`` the share of photos with
        an error of at most 5 years, ``age_bias`` the mean error in years: positive is too old. All
        are means over photos. No bound is a value that its score cannot have.
        """
        found = slice_means(self.units, _per_photo(self.errors), members)
        for name, most in ((MAE, None), (NEARBY, 1.0)):
            bounds = [column for column in (f"{name}_low", f"{name}_high") if column in found]
            found[bounds] = found[bounds].clip(0.0, most)
        return found

    def minus(self, other: "Ages") -> pd.DataFrame:
        """Return by how much the scores are above those of another model, paired; as ``scores``.

        ``other`` has the same photos in the same order.
        """
        theirs = _per_photo(other.errors)
        values = {name: mine - theirs[name] for name, mine in _per_photo(self.errors).items()}
        return slice_means(self.units, values, {"all": np.ones(len(self.true), dtype=bool)})


def _per_photo(errors: NDArray[np.int64]) -> Mapping[str, NDArray[np.float64]]:
    """Return score -> its value for each photo, (N,)."""
    distance = np.abs(errors)
    values = {MAE: distance, NEARBY: distance <= NEAR, BIAS: errors}
    return {name: value.astype(np.float64) for name, value in values.items()}
