"""Mutated photos: each is a picture, or is refused by name."""

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from mmmask.datasets.photos import load_photo
from mmmask.deploy.predictor import Predictor
from mmmask.drawing.drawn_faces import draw_dataset
from mmmask.tables import probabilities
from mmmask.workflows.data_stats import data_stats
from tests.torture.bench import Bench, pick
from tests.torture.child import Said, in_child
from tests.torture.mutations import mutated
from tests.torture.trials import Promise, Trial


@cache
def originals() -> list[tuple[str, bytes]]:
    """Return suffix and bytes of sound photos in many forms."""
    import io

    from PIL import Image

    noise = np.random.default_rng(0)
    small = cv2.GaussianBlur(noise.integers(0, 256, (96, 72, 3), dtype=np.uint8), (0, 0), 3)
    found = []
    for suffix in (".jpg", ".png", ".webp", ".bmp", ".tiff"):
        done, data = cv2.imencode(suffix, small)
        found += [(suffix, data.tobytes())] if done else []
    sixteen = cv2.imencode(".png", small.astype(np.uint16) * 257)[1].tobytes()
    found.append((".png", sixteen))
    picture = Image.fromarray(small[..., ::-1])
    exif = Image.Exif()
    exif[0x0112] = 6  # turned
    forms = {
        ".jpg": [
            (picture, {"exif": exif, "quality": 80}),
            (picture, {"progressive": True}),
            (picture.convert("L"), {}),
            (picture.convert("CMYK"), {}),
        ],
        ".png": [
            (picture.convert("P"), {}),
            (picture.convert("RGBA"), {}),
            (picture, {"exif": exif}),
        ],
        ".gif": [(picture, {})],
    }
    for suffix, each in forms.items():
        for image, options in each:
            buffer = io.BytesIO()
            image.save(buffer, {".jpg": "JPEG", ".png": "PNG", ".gif": "GIF"}[suffix], **options)
            found.append((suffix, buffer.getvalue()))
    return found


def _spoilt(random: np.random.Generator) -> tuple[str, bytes]:
    """Return a suffix, mostly the right one, and the bytes of a mutated photo."""
    suffix, data = pick(random, originals())
    _, other = pick(random, originals())
    if suffix not in (".jpg", ".png") or random.random() < 0.1:
        suffix = pick(random, [".jpg", ".png", ".jpeg"])
    return suffix, mutated(random, data, other)


def promises(bench: Bench) -> list[Promise]:
    """Return what mutated photos promise."""
    cv2.setNumThreads(1)  # threads do not survive a fork
    says = "a mutated photo is a picture or is refused by name"
    return [
        Promise("photos", "load_photo", f"`load_photo`: {says}", _load, originals, 600),
        Promise(
            "photos",
            "Predictor",
            f"`Predictor`: {says}",
            _predicted(bench),
            lambda: bench.model,
            200,
        ),
        Promise("photos", "data_stats", f"`data_stats`: {says}", *_measured(bench), 200),
    ]


def _load(random: np.random.Generator, folder: Path) -> str | None:
    suffix, data = _spoilt(random)
    path = folder / f"photo{suffix}"
    path.write_bytes(data)

    def act() -> bool:
        photo, same = load_photo(path), load_photo(path)
        whole = photo.dtype == np.uint8 and photo.ndim == 3 and photo.shape[2] == 3
        return whole and min(photo.shape) > 0 and np.array_equal(photo, same)

    return fault_of(in_child(act), path.name)


def fault_of(said: Said, name: str) -> str | None:
    """Return why a call neither returned True nor refused a file by its name."""
    if said.fault is not None:
        return said.fault
    if said.refusal is not None:
        return None if name in said.refusal else f"{name} is not named in: {said.refusal}"
    return None if said.value is True else f"returned {said.value!r}"


def _predicted(bench: Bench) -> Trial:
    def trial(random: np.random.Generator, folder: Path) -> str | None:
        model = bench.model
        for number in range(2):
            suffix, data = originals()[number]
            (folder / f"sound{number}{suffix}").write_bytes(data)
        suffix, data = _spoilt(random)
        path = folder / f"spoilt{suffix}"
        path.write_bytes(data)

        def act() -> bool:
            table = Predictor(model, threads=1)(folder)
            return len(table) == 3 and bool(np.isfinite(probabilities(table)).all())

        said, read = in_child(act), in_child(lambda: load_photo(path).shape)
        if said.fault is None and (said.refusal is None) != (read.refusal is None):
            return f"Predictor says {said}, load_photo says {read}"
        return fault_of(said, path.name)

    return trial


def _measured(bench: Bench) -> tuple[Trial, Callable[[], object]]:
    @cache
    def sound() -> Path:
        data = bench.folder / "few"
        if not data.exists():
            draw_dataset(data, people=6, eval_people=1, seed=1, size=(48, 64))
        return data

    def trial(random: np.random.Generator, folder: Path) -> str | None:
        root = folder / "data"
        shutil.copytree(sound(), root)
        photos = sorted(root.glob("train/images/*/*"))
        path = pick(random, photos)
        path.write_bytes(mutated(random, path.read_bytes(), pick(random, originals())[1]))

        def act() -> bool:
            found = data_stats(root)
            return found.photos == len(photos) and bool(np.isfinite(found.mean).all())

        return fault_of(in_child(act), path.name)

    return trial, sound
