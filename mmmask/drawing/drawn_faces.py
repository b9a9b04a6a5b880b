"""Draw a small data set of faces in the competition's layout, for demos and tests.

::

    train/train.csv                                 id,gender,race,age,path
    train/images/{id}_{gender}_Asian_{age}/         mask1 ... mask5, incorrect_mask, normal
    eval/info.csv                                   ImageID,ans; the answers are placeholders
    eval/images/{40 hex digits}.jpg                 seven photos per person, not grouped
    eval_labels.csv                                 ImageID,ans,person; the true answers

Train and eval show different people. As in the competition, recorded ages end at 60: the old are
drawn up to 80 years of age. Gender and age group are balanced; mask states are 5 : 1 : 1.
"""

import hashlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track

from mmmask.datasets.layout import MASK_OF_STEM
from mmmask.drawing.portrait import draw_portrait
from mmmask.drawing.shots import random_shot
from mmmask.drawing.traits import random_person
from mmmask.errors import InputError
from mmmask.files import folder_written_whole
from mmmask.labels import AGE_GROUPS, GENDERS, MASKS, MIDDLE_FROM, OLD_FROM, age_group, encode

#: One of each gender and age group.
FEWEST_PEOPLE = len(GENDERS) * len(AGE_GROUPS)
SMALLEST_SIDE = 32

_AGES = ((18, MIDDLE_FROM - 1), (MIDDLE_FROM, OLD_FROM - 1), (OLD_FROM, 80))  # years, inclusive
_SUFFIXES, _SUFFIX_SHARES = ("jpg", "jpeg", "png"), (0.9, 0.05, 0.05)
_TRAIN, _EVAL = 0, 1  # streams of chance: the train people do not depend on the eval people
_PEOPLE_PER_PROCESS = 20  # fewer do not repay the start of a process


#: A person as the tables tell it: the row of train.csv, and (file name, label) of each photo.
Drawn = tuple[dict[str, Any], list[tuple[str, int]]]


def draw_dataset(
    out: str | Path,
    *,
    people: int,
    eval_people: int = 0,
    seed: int = 0,
    size: tuple[int, int] = (96, 128),
    processes: int | None = None,
) -> None:
    """Draw the data set into a new folder; it appears whole or not at all.

    The same arguments give the same bytes, for any number of processes. More people leave the
    earlier ones as they are.

    Args:
        out: The folder; must not exist yet, or be empty.
        people: People in train, at least 6; seven photos each.
        eval_people: People in eval; 0 makes no eval folder.
        seed: Of all chance, 0 or more.
        size: Width and height of the photos in pixels, at least 32 each.
        processes: Drawing at the same time; ``None`` for one per CPU core as far as it pays.
    """
    out = Path(out)
    _check(people, eval_people, seed, size, processes)
    with folder_written_whole(out) as folder:
        (folder / "train/images").mkdir(parents=True)
        if eval_people:
            (folder / "eval/images").mkdir(parents=True)
        numbers = [(_TRAIN, number) for number in range(people)]
        numbers += [(_EVAL, number) for number in range(eval_people)]
        jobs = _draw_all(partial(_draw_person, folder, seed, size), numbers, processes)
        drawn = list(track(jobs, "Drawing people", len(numbers), console=Console(stderr=True)))
        people_rows = pd.DataFrame([row for row, _ in drawn[:people]])
        people_rows.to_csv(folder / "train/train.csv", index=False)
        if eval_people:
            # Names are hashes, so sorting by them shuffles.
            answers = sorted(
                (*photo, f"eval_{row['id']}") for row, photos in drawn[people:] for photo in photos
            )
            labels = pd.DataFrame(answers, columns=["ImageID", "ans", "person"])
            labels.to_csv(folder / "eval_labels.csv", index=False)
            info = labels[["ImageID"]].assign(ans=0)
            info.to_csv(folder / "eval/info.csv", index=False)


def _check(
    people: int,
    eval_people: int,
    seed: int,
    size: tuple[int, int],
    processes: int | None,
) -> None:
    if people < FEWEST_PEOPLE:
        raise InputError(
            f"people must be at least {FEWEST_PEOPLE}, one of each gender and age group; "
            f"got {people}"
        )
    if eval_people < 0:
        raise InputError(f"eval_people must be 0 or more; got {eval_people}")
    if seed < 0:
        raise InputError(f"seed must be 0 or more; got {seed}")
    if min(size) < SMALLEST_SIDE:
        raise InputError(
            f"size must be at least {SMALLEST_SIDE} x {SMALLEST_SIDE} pixels; "
            f"got {size[0]} x {size[1]}"
        )
    if processes is not None and processes < 1:
        raise InputError(f"processes must be 1 or more; got {processes}")


def _draw_all(
    draw: Callable[[tuple[int, int]], Drawn],
    numbers: Sequence[tuple[int, int]],
    processes: int | None,
) -> Iterator[Drawn]:
    """Yield the drawn people in the order of their numbers."""
    if processes is None:
        processes = min(os.cpu_count() or 1, 1 + len(numbers) // _PEOPLE_PER_PROCESS)
    if processes == 1:
        yield from map(draw, numbers)
        return
    # Not forked: the caller may hold threads, of torch or OpenCV, that a fork would break.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=_start_process) as pool:
        try:
            yield from pool.map(draw, numbers, chunksize=4)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _start_process() -> None:
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process stops all


def _draw_person(folder: Path, seed: int, size: tuple[int, int], who: tuple[int, int]) -> Drawn:
    """Draw the seven photos of a person, given by stream and number, into the data set."""
    stream, number = who
    gender_index, group = _gender_and_group(seed, stream, number)
    gender = GENDERS[gender_index]
    rng = np.random.default_rng((seed, stream, 1, number))
    age = int(rng.integers(_AGES[group][0], _AGES[group][1], endpoint=True))
    person = random_person(rng, gender, age)
    recorded = min(age, OLD_FROM)
    name = f"{number + 1:06d}_{gender}_Asian_{recorded}"
    if stream == _TRAIN:
        (folder / "train/images" / name).mkdir()
    photos = []
    for stem, state in MASK_OF_STEM.items():
        picture = draw_portrait(person, random_shot(rng, state), size)
        suffix = rng.choice(_SUFFIXES, p=_SUFFIX_SHARES)
        if stream == _TRAIN:
            path = folder / "train/images" / name / f"{stem}.{suffix}"
        else:
            named = f"{seed}/{name}/{stem}".encode()
            digest = hashlib.sha1(named, usedforsecurity=False).hexdigest()
            path = folder / "eval/images" / f"{digest}.jpg"
        path.write_bytes(cv2.imencode(path.suffix, picture[..., ::-1])[1].tobytes())
        label = encode(MASKS.index(state), gender_index, age_group(recorded))
        photos.append((path.name, int(label)))
    row = {"id": name[:6], "gender": gender, "race": "Asian", "age": recorded, "path": name}
    return row, photos


def _gender_and_group(seed: int, stream: int, number: int) -> tuple[int, int]:
    """Return gender and age group of a person: every six in a row hold all, in any order."""
    block, place = divmod(number, FEWEST_PEOPLE)
    order = np.random.default_rng((seed, stream, 0, block)).permutation(FEWEST_PEOPLE)
    gender, group = divmod(int(order[place]), len(AGE_GROUPS))
    return gender, group
