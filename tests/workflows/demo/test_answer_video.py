import cv2
import numpy as np
import pytest

from mmmask.errors import InputError, MissingFileError, WriteError
from mmmask.reports.annotated import COLOURS
from mmmask.workflows.demo.answer import answer_video
from mmmask.workflows.demo.face_finder import FaceFinder
from mmmask.workflows.demo.read_faces import FaceReader
from tests.full_disk import files_of_at_most
from tests.tiny_models import colour_reader, colours

RATE = 12.5


def write(path, frames, rate=RATE, code="MJPG"):
    size = frames[0].shape[1], frames[0].shape[0]
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), rate, size)
    for frame in frames:
        video.write(frame)
    video.release()
    return path


def read(path):
    video, frames = cv2.VideoCapture(str(path)), []
    while (shot := video.read())[0]:
        frames.append(shot[1])
    return frames, video.get(cv2.CAP_PROP_FPS)


def plate(frame, left: int) -> str | None:
    """Return the mask state whose colour most of the plate below a face has."""
    colour = np.median(frame[136:158, left : left + 60].reshape(-1, 3), axis=0)
    near = [state for state, own in COLOURS.items() if np.abs(colour - own).max() < 12]
    return near[0] if near else None


@pytest.fixture
def people():
    """Twelve frames of one in blue, mask worn, beside one in red, no mask; then eleven swapped."""
    one, other = (np.kron(colours(*names), np.ones((2, 2, 1), dtype=np.uint8))
                  for names in (("blue", "red"), ("red", "blue")))  # fmt: skip
    return [one] * 12 + [other] * 11


def test_each_face_is_framed_in_the_colour_of_its_mask_in_every_frame(tmp_path, people):
    source = write(tmp_path / "people.avi", people)
    seen = answer_video(colour_reader(), source, tmp_path / "out.mp4", every=3)
    assert seen == (23, 8, 23)
    frames, rate = read(tmp_path / "out.mp4")
    assert (len(frames), rate) == (23, RATE)
    assert {frame.shape for frame in frames} == {(160, 240, 3)}
    for number, frame in enumerate(frames):
        states = ["wear", "normal"] if number < 12 else ["normal", "wear"]
        assert [plate(frame, left) for left in (28, 148)] == states, number
        changed = np.abs(frame.astype(int) - people[number]).max(axis=2)
        for column in (24, 96, 144, 216):  # the frames' sides
            assert (changed[45:110, column] > 30).all(), (number, column)
        assert changed[:28].max() < 20  # nothing is drawn above them


def test_an_answer_stays_until_the_next_look(tmp_path, people):
    source = write(tmp_path / "people.avi", people)
    assert answer_video(colour_reader(), source, tmp_path / "out.mp4", every=20).looks == 2
    frames, _ = read(tmp_path / "out.mp4")
    states = [plate(frame, 28) for frame in frames]
    assert states == ["wear"] * 20 + ["normal"] * 3  # though swapped at 12


def test_it_looks_five_times_a_second_unless_told_otherwise(tmp_path):
    frames = [colours("green")] * 30
    source = write(tmp_path / "video.mp4", frames, rate=30.0, code="mp4v")
    assert answer_video(colour_reader(), source, tmp_path / "out.mp4") == (30, 5, 30)


def test_where_nothing_finds_faces_each_frame_is_one(tmp_path):
    reader = FaceReader(
        colour_reader().predictor, FaceFinder(None, lambda photo: (np.zeros((0, 4)), np.zeros(0)))
    )
    green = np.kron(colours("green"), np.ones((2, 2, 1), dtype=np.uint8))
    source = write(tmp_path / "video.avi", [green] * 4)
    answer_video(reader, source, tmp_path / "out.mp4")
    frames, _ = read(tmp_path / "out.mp4")
    assert {plate(frame, 0) for frame in frames} == {"incorrect"}
    assert np.abs(frames[0][:100].astype(int) - (0, 255, 0)).max() < 30  # without a frame


def test_a_video_that_was_cut_off_is_answered_as_far_as_it_goes(tmp_path, people):
    whole = write(tmp_path / "people.avi", people).read_bytes()
    (tmp_path / "cut.avi").write_bytes(whole[: len(whole) // 2])
    seen = answer_video(colour_reader(), tmp_path / "cut.avi", tmp_path / "out.mp4")
    assert 0 < seen.frames < seen.announced == 23
    assert len(read(tmp_path / "out.mp4")[0]) == seen.frames


def test_what_is_no_video_is_refused_in_a_sentence_and_nothing_is_written(tmp_path, people):
    reader, out = colour_reader(), tmp_path / "out" / "out.mp4"
    whole = write(tmp_path / "people.mp4", people, code="mp4v").read_bytes()
    for content in (b"", b"no video", bytes(range(256)) * 40, whole[: len(whole) // 2]):
        (tmp_path / "bad.mp4").write_bytes(content)
        with pytest.raises(InputError, match=r"bad\.mp4: not a video that OpenCV can read"):
            answer_video(reader, tmp_path / "bad.mp4", out)
    with pytest.raises(MissingFileError, match=r"gone\.mp4: no such video"):
        answer_video(reader, tmp_path / "gone.mp4", out)
    source = write(tmp_path / "people.avi", people)
    with pytest.raises(InputError, match=r"a video must end in \.mp4; got \.avi"):
        answer_video(reader, source, tmp_path / "out.avi")
    with pytest.raises(InputError, match="--every must be at least 1 frame; got 0"):
        answer_video(reader, source, out, every=0)
    assert not out.parent.exists()


@pytest.mark.parametrize("room", [0, 2000])
def test_a_video_that_the_disk_cannot_hold_is_refused_and_not_written_in_part(
    room, tmp_path, people
):
    noise = np.random.default_rng(0).integers(0, 255, people[0].shape, dtype=np.uint8)
    source = write(tmp_path / "people.avi", [noise] * 5)
    out = tmp_path / "out.mp4"
    with files_of_at_most(room), pytest.raises(WriteError, match=r"out\.mp4: could not be written"):
        answer_video(colour_reader(), source, out)
    assert list(tmp_path.iterdir()) == [source]
