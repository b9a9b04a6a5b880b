"""Answer photos, a video or a browser with a trained model."""

import logging
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import pandas as pd
from rich.console import Console
from rich.progress import track

from mmmask.datasets.layout import find_photos
from mmmask.datasets.photos import Photo
from mmmask.datasets.unreadable import all_unreadable, unreadable_photos
from mmmask.deploy.predictor import Predictor
from mmmask.errors import InputError, MissingFileError, UnreadablePhotoError, WriteError
from mmmask.evaluation.answers import readable
from mmmask.files import atomic_write
from mmmask.packages import require
from mmmask.reports.annotated import annotated, fitted, in_words
from mmmask.reports.output import counted
from mmmask.tables import FACE_ANSWERS, write_table
from mmmask.workflows.demo.face_finder import installed_finder
from mmmask.workflows.demo.read_faces import Face, FaceReader

#: Photos of a sheet: as many as one looks at. In rows of this many, each (height, width) pixels.
SHEET, ACROSS, CELL = 48, 6, (320, 240)
#: How often per second a video is looked at, unless said otherwise.
LOOKS = 5

logger = logging.getLogger("mmmask")


def open_reader(
    model: str | Path,
    checkpoint: str | Path | None = None,
    *,
    calibration: str | Path | None = None,
    tta: bool = False,
    old_from: int | None = None,
    options: Sequence[str] = (),
    device: str = "cpu",
) -> FaceReader:
    """Return what answers for faces: an exported model (.onnx), or a config with its checkpoint.

    ``options`` are overrides of the config, ``device`` is where a checkpoint and the face detector
    compute; the others are as of :class:`~mmmask.deploy.predictor.Predictor`.

    Raises:
        InputError: The model cannot be read, or is no such pair.
    """
    exported = Path(model).suffix == ".onnx"
    if exported and (checkpoint is not None or options):
        raise InputError(
            f"{model}: an exported model is given alone, without checkpoint or options"
        )
    if not exported and checkpoint is None:
        raise InputError(f"{model}: give its checkpoint too, or an exported model (.onnx)")
    network: Any = model
    if not exported:
        from mmmask.workflows.torch_network import TorchNetwork

        network = TorchNetwork(model, str(checkpoint), options=options, device=device)
    predictor = Predictor(network, calibration=calibration, tta=tta, old_from=old_from)
    return FaceReader(predictor, installed_finder(device))


def answer_photos(
    reader: FaceReader, folder: str | Path, out: str | Path, *, unreadable: str = "refuse"
) -> pd.DataFrame:
    """Write the answers of all photos of a folder as a table, or a sheet of some.

    Args:
        reader: As of :func:`open_reader`.
        folder: With photos, also in folders inside.
        out: .csv or .parquet, a row for each face; or .png or .jpg, up to 48 photos spread over
            the folder with their faces framed.
        unreadable: ``skip`` leaves out photos that cannot be read, with a warning that names them;
            ``refuse`` names them too.

    Returns:
        The table, as ``mmmask.tables.FACE_ANSWERS`` defines it, of the photos that were read.
    """
    suffix = Path(out).suffix
    as_sheet = suffix in {".png", ".jpg"}
    if not as_sheet and suffix not in {".csv", ".parquet"}:
        raise InputError(
            f"{out}: must end in .csv, .parquet, .png or .jpg; got {suffix or 'no suffix'}"
        )
    if as_sheet:
        require(f"{out}: a sheet", "matplotlib")
        if Path(folder).resolve() in Path(out).resolve().parents:
            raise InputError(f"{out}: must not lie in {folder}, whose pictures are the photos")
    images = find_photos(folder)["image"].tolist()
    if unreadable == "skip":
        images = _readable(folder, images)
    if as_sheet and len(images) > SHEET:
        images = [images[place * len(images) // SHEET] for place in range(SHEET)]
    tables, cells = [], []
    for image in track(images, "Reading photos", console=Console(stderr=True), transient=True):
        try:
            photo = reader.predictor.facts.preparation.load(Path(folder) / image)
        except UnreadablePhotoError as error:
            paths = [os.path.join(folder, name) for name in images]
            way_out = "--unreadable skip leaves them out"
            raise all_unreadable(error, paths, way_out) from error
        faces, predictions = reader(photo)
        answers = readable(predictions)
        tables.append(face_answers(image, faces, answers))
        if as_sheet:
            caption = f"{Path(image).name}\n" + " ".join(in_words(answers.iloc[0]))
            framed = annotated(photo, [face.box for face in faces], answers)
            cells.append((fitted(framed, CELL), caption))
    table = pd.concat(tables, ignore_index=True)
    if as_sheet:
        title = (
            f"{Path(folder).name}: {counted(len(images), 'photos')}, {counted(len(table), 'faces')}"
        )
        _write_sheet(cells, out, title)
    else:
        write_table(out, table, FACE_ANSWERS, reader.predictor.provenance())
    return table


def _readable(folder: str | Path, images: Sequence[str]) -> list[str]:
    """Return the photos of a folder that can be read; warn of the others."""
    unread = set(unreadable_photos([os.path.join(folder, image) for image in images]))
    left = [image for image in images if os.path.join(folder, image) not in unread]
    if unread:
        logger.warning(
            f"{folder}: {len(unread):,} of {len(images):,} photos cannot be read and are left out: "
            f"{', '.join(sorted(unread))}"
        )
    if not left:
        raise InputError(f"{folder}: none of its {len(images):,} photos can be read")
    return left


def face_answers(image: str, faces: Sequence[Face], answers: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a photo in a table of ``FACE_ANSWERS``."""
    edges = [face.box or (None,) * 4 for face in faces]
    table = answers.assign(image=image, face=range(len(faces)))
    table[["x0", "y0", "x1", "y1"]] = pd.DataFrame(edges, index=table.index, dtype="float32")
    table["score"] = [face.score for face in faces]
    return table[[name for name in FACE_ANSWERS if name in table]]


class Watched(NamedTuple):
    """How much of a video was seen.

    Attributes:
        frames: How many frames it has.
        looks: How many of them were looked at.
        announced: How many frames its header tells of, more if it was cut off; 0 if it does not.
    """

    frames: int
    looks: int
    announced: int


def answer_video(
    reader: FaceReader, video: str | Path, out: str | Path, *, every: int | None = None
) -> Watched:
    """Write a video with its faces framed and answered, at its size and rate, without its sound.

    Args:
        reader: As of :func:`open_reader`.
        video: Any that OpenCV reads.
        out: An .mp4.
        every: Frames from one look to the next, which keeps its frames till then; None: 5 looks
            per second.

    Raises:
        InputError: The video cannot be read or written.
    """
    if Path(out).suffix != ".mp4":
        raise InputError(f"{out}: a video must end in .mp4; got {Path(out).suffix or 'no suffix'}")
    if every is not None and every < 1:
        raise InputError(f"--every must be at least 1 frame; got {every}")
    if not Path(video).is_file():
        raise MissingFileError(f"{video}: no such video")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # we say ourselves what is wrong
    source = cv2.VideoCapture(str(video))
    read, photo = source.read()
    if not read:
        raise InputError(f"{video}: not a video that OpenCV can read")
    rate = source.get(cv2.CAP_PROP_FPS) or 25.0
    announced = max(0, int(source.get(cv2.CAP_PROP_FRAME_COUNT)))
    step = every or max(1, round(rate / LOOKS))
    frames = 0
    boxes: list = []
    answers = pd.DataFrame()
    with atomic_write(out) as partial:
        size = (photo.shape[1], photo.shape[0])
        target = cv2.VideoWriter(str(partial), cv2.VideoWriter.fourcc(*"mp4v"), rate, size)
        if not target.isOpened():
            raise WriteError(
                f"{out}: could not be written: OpenCV cannot write an mp4 of {size[0]} x {size[1]} "
                "pixels, or the disk is full"
            )
        # The header of a video may be wrong about its length, so reading decides.
        shots = _frames(source, photo)
        for frame in track(
            shots, "Reading frames", announced or None, console=Console(stderr=True), transient=True
        ):
            if frames % step == 0:
                faces, predictions = reader(frame)
                found = [row for row, face in enumerate(faces) if face.box is not None]
                if reader.finder.name is None:  # each frame is one face
                    found = list(range(len(faces)))
                boxes = [faces[row].box for row in found]
                answers = readable(predictions).iloc[found]
            target.write(annotated(frame, boxes, answers))
            frames += 1
        target.release()
        written = cv2.VideoCapture(str(partial)).get(cv2.CAP_PROP_FRAME_COUNT)
        if round(written) != frames:  # OpenCV does not say so
            raise WriteError(
                f"{out}: could not be written: it has {max(0, round(written))} of {frames} frames; "
                "is the disk full?"
            )
    source.release()
    return Watched(frames, math.ceil(frames / step), announced)


def _frames(source: cv2.VideoCapture, first: Photo) -> Iterator[Photo]:
    """Yield the frames of a video whose first has been read."""
    read, photo = True, first
    while read:
        yield photo
        read, photo = source.read()


def _write_sheet(pictures: Sequence[tuple[Photo, str]], out: str | Path, title: str) -> None:
    from mmmask.reports.sheet import Cell, Row, plot_sheet

    cells = [Cell(picture[..., ::-1], caption) for picture, caption in pictures]
    across = min(ACROSS, len(cells))
    rows = [Row("", cells[start : start + across]) for start in range(0, len(cells), across)]
    plot_sheet(rows, [""] * across, out, title)
