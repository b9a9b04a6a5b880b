"""A folder for each class, with any words for the classes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmmask.datasets.foreign.facts import facts_of, read_map, refuse_unused
from mmmask.datasets.foreign.gathered import Gathered, photos_below
from mmmask.errors import InputError


def read_class_folders(
    src: Path, found: Gathered, *, mapping: Sequence[str] = (), person_folders: bool = False
) -> None:
    """Add the photos below ``src``; the first folder on the way to a photo is its class.

    Args:
        src: Holds a folder for each class, with photos at any depth.
        found: Takes the rows.
        mapping: ``FOLDER=FACTS`` for each folder whose name is not ours; see ``facts_of``.
            ``FOLDER=`` says that nothing is known of its photos, ``FOLDER=-`` leaves them out.
        person_folders: The folder below that of the class names the person.

    Raises:
        InputError: A folder has no meaning, or a mapping no folder.
    """
    meanings = read_map(mapping)
    of_class: dict[str, list[Path]] = {}
    for photo in photos_below(src, found):
        parts = photo.relative_to(src).parts
        if len(parts) == 1:
            found.problems.append(f"{photo}: lies in no folder of a class")
        else:
            of_class.setdefault(parts[0], []).append(photo)
    folders = {path.name for path in src.iterdir() if path.is_dir()} if src.is_dir() else set()
    refuse_unused(meanings, folders, f"folder of {src} is")
    for name in of_class:
        if name not in meanings:
            meanings[name] = _own(src / name)
    for name, photos in of_class.items():
        facts = meanings[name]
        if facts is None:
            found.left_out[f"photos in {name}, by --map"] += len(photos)
            continue
        for photo in photos:
            parts = photo.relative_to(src).parts
            with found.row(photo):
                who = parts[1] if person_folders and len(parts) > 2 else None
                found.add(photo, facts, person=who)


def _own(folder: Path) -> dict[str, Any]:
    """Return what the name of a folder says in our own words."""
    try:
        return facts_of(folder.name)
    except InputError as error:
        raise InputError(
            f"{folder}: --map '{folder.name}=...' must say what its name means (=: nothing is "
            f"known, =-: leave it out); {error}"
        ) from error
