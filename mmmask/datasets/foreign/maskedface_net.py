"""MaskedFace-Net: masks drawn onto the faces of FFHQ, rightly or not, by the name of the file."""

import re
from pathlib import Path

from mmmask.datasets.foreign.gathered import Gathered, photos_below
from mmmask.errors import InputError

_MASKS = {
    "Mask": "wear",
    "Mask_Mouth_Chin": "incorrect",
    "Mask_Nose_Mouth": "incorrect",
    "Mask_Chin": "incorrect",
}
_NAME = re.compile(rf"(\d+)_({'|'.join(_MASKS)})\.\w+")


def read_maskedface_net(src: Path, found: Gathered) -> None:
    """Add the photos below ``src``, such as ``00000_Mask.jpg`` and ``00001_Mask_Mouth_Chin.jpg``.

    The number is that of the photo in FFHQ, which may carry several masks: it is the person.

    Source: https://github.com/cabani/MaskedFace-Net; Cabani et al.: MaskedFace-Net, Smart Health
    19, 2021.
    """
    for photo in photos_below(src, found):
        with found.row(photo):
            parts = _NAME.fullmatch(photo.name)
            if parts is None:
                raise InputError(f"the name must be NUMBER_{' or NUMBER_'.join(_MASKS)}, and .jpg")
            found.add(photo, {"mask": _MASKS[parts[2]]}, person=f"ffhq {parts[1]}")
