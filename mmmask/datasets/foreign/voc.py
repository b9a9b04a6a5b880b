"""Boxes of faces in larger photos, in the xml files of Pascal VOC; each face becomes a photo."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree  # nosec B405 # of a document without entities, see _root

import cv2
import numpy as np

from mmmask.datasets.face_window import face_window
from mmmask.datasets.foreign.facts import facts_of, read_map, refuse_unused
from mmmask.datasets.foreign.gathered import Gathered
from mmmask.datasets.layout import is_photo
from mmmask.datasets.photos import Photo, load_photo
from mmmask.datasets.walk import files_below
from mmmask.errors import InputError

#: What sets of this kind call the states of the mask.
NAMES = {
    "with_mask": {"mask": "wear"},
    "without_mask": {"mask": "normal"},
    "mask_weared_incorrect": {"mask": "incorrect"},
}
#: Height / width of a crop, as of the competition's photos.
ASPECT = 4 / 3
MARGIN, MIN_SIZE = 0.4, 32


@dataclass(frozen=True)
class Crops:
    """A folder of crops that is written aside first."""

    folder: Path  # where the crops will lie
    aside: Path  # where they are written

    def write(self, name: str, photo: Photo) -> Path:
        """Write a crop and return where it will lie."""
        path = self.aside / name
        path.parent.mkdir(parents=True, exist_ok=True)
        _, file = cv2.imencode(path.suffix, photo, [cv2.IMWRITE_JPEG_QUALITY, 95])
        path.write_bytes(file.tobytes())
        return self.folder / name


def read_voc(
    src: Path,
    found: Gathered,
    *,
    crops: Crops | None = None,
    margin: float = MARGIN,
    min_size: int = MIN_SIZE,
    mapping: Sequence[str] = (),
    images: Path | None = None,
) -> None:
    """Add a crop for each ``object`` of the xml files below ``src``.

    Source: Everingham et al.: The Pascal Visual Object Classes Challenge, IJCV 88, 2010. The
    names of the objects are those of https://www.kaggle.com/datasets/andrewmvd/face-mask-detection

    Args:
        src: Holds the xml files at any depth.
        found: Takes the rows.
        crops: Takes the crops, named as the xml file, with the number of the object.
        margin: Share of the width (height) of a box that is added left and right (above and
            below), before the shorter side grows to :data:`ASPECT`.
        min_size: Pixels of the shorter side of a box; smaller faces are left out, and counted.
        mapping: ``NAME=FACTS`` for names of objects beside :data:`NAMES` and our own words.
        images: Holds the photos at any depth; by default ``src``.
    """
    if crops is None:
        raise InputError("--crops must name the folder to write the faces to")
    if not 0 <= margin < np.inf:
        raise InputError(f"--margin must be 0 or more; got {margin}")
    if min_size < 1:
        raise InputError(f"--min-size must be 1 or more; got {min_size}")
    given = read_map(mapping)
    meanings = {**NAMES, **given}
    photos: dict[str, list[Path]] = {}
    for path in files_below(src if images is None else images):
        if is_photo(path.name):
            photos.setdefault(path.name, []).append(path)
    seen = set()
    for xml in files_below(src):
        if xml.suffix.lower() != ".xml":
            continue
        with found.row(xml):
            root = _root(xml)
            photo, objects = _photo(root, photos), root.findall("object")
            for number, one in enumerate(objects):
                with found.row(f"{xml}, object {number + 1}"):
                    name = (one.findtext("name") or "").strip()
                    seen.add(name)
                    facts = meanings[name] if name in meanings else facts_of(name)
                    if not name:
                        raise InputError("name is empty")
                    box = _box(one, photo.shape[:2])
                    if facts is None:
                        found.left_out[f"faces called {name}, by --map"] += 1
                    elif min(box[2] - box[0], box[3] - box[1]) < min_size:
                        found.left_out[f"faces smaller than {min_size} pixels"] += 1
                    else:
                        window = face_window(box, photo.shape[:2], margin=margin, aspect=ASPECT)
                        stem = xml.relative_to(src).with_suffix("").as_posix()
                        found.add(crops.write(f"{stem}_{number + 1}.jpg", photo[window]), facts)
    refuse_unused(given, seen, f"object below {src} is")


class _WithoutEntities(ElementTree.TreeBuilder):
    """Refuses the part in which a document defines entities, of which a few fill the memory."""

    def doctype(self, *_: str | None) -> None:
        raise ValueError("<!DOCTYPE> is not allowed; delete it")


def _root(xml: Path) -> ElementTree.Element:
    """Return the outermost element of an xml file."""
    parser = ElementTree.XMLParser(target=_WithoutEntities())  # nosec B314 # it refuses entities
    try:
        return ElementTree.parse(xml, parser).getroot()  # nosec B314
    except (ElementTree.ParseError, ValueError, OSError) as error:
        raise InputError(f"not a readable xml file: {error}") from error


def _photo(root: ElementTree.Element, photos: dict[str, list[Path]]) -> Photo:
    """Return the photo of an xml file, (H, W, 3), found by its name."""
    name = (root.findtext("filename") or "").strip()
    paths = photos.get(name, [])
    if len(paths) != 1:
        many = " and ".join(map(str, paths[:2])) or "not there"
        raise InputError(f"filename must name one photo; {name!r} is {many}")
    photo = load_photo(paths[0])
    size = tuple(root.findtext(f"size/{side}", "").strip() for side in ("height", "width"))
    if size != tuple(map(str, photo.shape[:2])):
        raise InputError(
            f"size must be that of {paths[0]}, {photo.shape[1]} x {photo.shape[0]} pixels; got "
            f"{size[1]} x {size[0]}"
        )
    return photo


def _box(one: ElementTree.Element, shape: tuple[int, ...]) -> tuple[float, float, float, float]:
    """Return x0, y0, x1, y1 of an object in pixels, inside a photo of (height, width)."""
    texts = [
        one.findtext(f"bndbox/{edge}", "").strip() for edge in ("xmin", "ymin", "xmax", "ymax")
    ]
    try:
        x0, y0, x1, y1 = map(float, texts)
    except ValueError:
        raise InputError(f"bndbox must have four numbers; got {', '.join(texts)}") from None
    if not (0 <= x0 < x1 <= shape[1] and 0 <= y0 < y1 <= shape[0]):
        raise InputError(
            f"bndbox must lie inside {shape[1]} x {shape[0]} pixels; got {', '.join(texts)}"
        )
    return x0, y0, x1, y1
