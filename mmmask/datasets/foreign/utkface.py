"""UTKFace: age and gender by the name of the file."""

import re
from pathlib import Path

from mmmask.datasets.foreign.facts import value_of
from mmmask.datasets.foreign.gathered import Gathered, photos_below
from mmmask.errors import InputError
from mmmask.labels import GENDERS

_NAME = re.compile(r"(\d+)_([01])_([0-4])_(\d+)(?!\d).*")


def read_utkface(src: Path, found: Gathered) -> None:
    """Add the photos below ``src`` that are named ``[age]_[gender]_[race]_[date&time].jpg``.

    Gender is 0 for male and 1 for female; race is not used. Nothing says whether a mask is worn.

    Source: https://susanqq.github.io/UTKFace/; Zhang, Song and Qi: Age Progression/Regression by
    Conditional Adversarial Autoencoder, CVPR 2017.
    """
    for photo in photos_below(src, found):
        with found.row(photo):
            parts = _NAME.fullmatch(photo.name)
            if parts is None:
                raise InputError(
                    "the name must be [age]_[gender 0 or 1]_[race 0 to 4]_[date&time].jpg"
                )
            found.add(photo, value_of("age", parts[1]), {"gender": GENDERS[int(parts[2])]})
