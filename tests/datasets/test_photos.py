"""Photos of all kinds come out as people see them; what is no photo, or too much of one, does not.

A file that is none may take no memory, no time and no other photo with it.
"""

import io
import os
import struct
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from PIL import Image

from mmmask.datasets import photos
from mmmask.datasets.c_messages import c_messages
from mmmask.datasets.photo_headers import header_of
from mmmask.datasets.photos import decoded, load_photo
from mmmask.errors import InputError, MissingFileError

#: In BGR and in the order of Pillow.
COLOUR, RGB = [0, 50, 200], (200, 50, 0)
WHITE = [255, 255, 255]


@pytest.fixture(autouse=True)
def nothing_told_yet(monkeypatch) -> None:
    """Let each test be warned of its photos."""
    monkeypatch.setattr(photos, "_TOLD", bytearray(1 << 20))


def saved(picture: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def half_clear(mode: str = "RGBA") -> Image.Image:
    """Return 8 x 16 pixels of one colour, the lower half transparent."""
    picture = Image.new("RGBA", (8, 16), (*RGB, 255))
    picture.paste((*RGB, 0), (0, 8, 8, 16))
    return picture.convert(mode)


def noise(height: int = 64, width: int = 48) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def ends(data: bytes) -> tuple[list[int], list[int]]:
    """Return the first and the last pixel of a photo."""
    photo = decoded(data, "a photo")
    assert (photo.dtype, photo.ndim, photo.flags.c_contiguous) == (np.uint8, 3, True)
    return photo[0, 0].tolist(), photo[-1, -1].tolist()


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_hidden_colours_under_transparency_are_white(kind: str) -> None:
    assert ends(saved(half_clear(), kind, lossless=True)) == (COLOUR, WHITE)
    assert ends(saved(half_clear("LA"), kind, lossless=True))[1] == WHITE


def test_one_transparent_colour_is_white_in_grey_palette_and_colour() -> None:
    flat = Image.new("RGB", (4, 4), RGB)
    for picture, clear in ((flat, RGB), (flat.convert("L"), 89), (flat.convert("P"), None)):
        clear = picture.getpixel((0, 0)) if clear is None else clear
        assert ends(saved(picture, "PNG", transparency=clear)) == (WHITE, WHITE)
        assert ends(saved(picture, "PNG"))[0] != WHITE


def test_half_transparent_is_half_white() -> None:
    picture = Image.new("RGBA", (4, 4), (0, 0, 0, 128))
    assert ends(saved(picture, "PNG"))[0] == [127, 127, 127]


def test_sixteen_bits_grey_and_cmyk_keep_their_brightness() -> None:
    grey = np.repeat(np.uint16([[0], [30000], [65535]]), 4, axis=1)
    for deep in (grey, np.dstack([grey] * 3), np.dstack([grey] * 3 + [np.full_like(grey, 65535)])):
        photo = decoded(cv2.imencode(".png", deep)[1].tobytes(), "a photo")
        assert photo[:, 0, 0].tolist() == [0, 117, 255]
    inks = saved(Image.new("RGB", (16, 16), RGB).convert("CMYK"), "JPEG", quality=95)
    assert np.abs(np.subtract(ends(inks)[0], COLOUR)).max() <= 3


@pytest.mark.parametrize(("kind", "mode"), [("JPEG", "RGB"), ("PNG", "RGBA"), ("WEBP", "RGBA")])
def test_exif_turns_a_photo_transparent_or_not(kind: str, mode: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    photo = decoded(saved(half_clear(mode), kind, exif=exif), "a photo")
    assert photo.shape == (8, 16, 3)
    if mode == "RGBA":
        assert (photo[:, :8] == 255).all()
        assert not (photo[:, 8:] == 255).any()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
def test_header_and_pixels_are_those_of_the_format(kind: str) -> None:
    data = saved(noise(21, 34), kind)
    header = header_of(data)
    assert (header.width, header.height, header.transparent) == (34, 21, False)
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(decoded(data, "a photo"), expected)
    for end in range(0, len(data), 7):
        assert header_of(data[:end]) in (None, header, header._replace(scans=0))


def test_a_header_is_found_behind_an_exif_thumbnail() -> None:
    exif = Image.Exif()
    exif[0x010E] = "x" * 3000
    inner, data = saved(noise(8, 8), "JPEG"), saved(noise(20, 30), "JPEG", exif=exif)
    data = data[:2] + b"\xff\xe5" + struct.pack(">H", len(inner) + 2) + inner + data[2:]
    assert header_of(data)[1:3] == (30, 20)
    assert decoded(data, "a photo").shape == (20, 30, 3)


def test_a_jpeg_without_its_end_marker_is_read_and_told_by_name_once(caplog) -> None:
    data = saved(noise(), "JPEG")
    assert data.endswith(b"\xff\xd9")
    for _ in range(2):
        assert np.array_equal(decoded(data[:-2], "sets/a.jpg"), decoded(data, "whole"))
    assert [record.message for record in caplog.records] == [
        "sets/a.jpg: lacks its end marker; it is read, as all of its pixels are there"
    ]
    for cut in (20, 400, len(data) // 2):
        with pytest.raises(InputError, match=r"b\.jpg: not a photo that can be decoded"):
            decoded(data[:-cut], "b.jpg")


def damaged() -> bytes:
    """Return a JPEG of which libjpeg notices that pixels are missing."""
    data = saved(noise(), "JPEG")
    return data[: len(data) // 2] + b"\xff\xd9"


def test_a_jpeg_damaged_inside_is_told_by_name_and_nothing_is_printed(caplog, capfd) -> None:
    for _ in range(2):
        assert decoded(damaged(), "sets/a.jpg").shape == (64, 48, 3)
    (record,) = caplog.records
    assert record.message == (
        "sets/a.jpg: damaged inside, and read as far as it can be; libjpeg says: Corrupt JPEG "
        "data: premature end of data segment"
    )
    assert capfd.readouterr() == ("", "")


def test_of_many_threads_each_hears_its_own_photo(caplog) -> None:
    whole, broken = saved(noise(), "JPEG"), damaged()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: decoded(whole if n % 5 else broken, f"{n}."), range(200)))
    told = {int(record.message.split(".")[0]) for record in caplog.records}
    assert told == set(range(0, 200, 5))


def test_processes_that_fork_tell_of_a_photo_once(tmp_path) -> None:
    (tmp_path / "a.jpg").write_bytes(damaged())
    code = (
        "import multiprocessing, logging; logging.basicConfig()\n"
        "from mmmask.datasets.photos import load_photo\n"
        "context = multiprocessing.get_context('fork')\n"
        "for _ in range(3):\n"
        f"    one = context.Process(target=load_photo, args=({str(tmp_path / 'a.jpg')!r},))\n"
        "    one.start(); one.join(); assert one.exitcode == 0\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.count("a.jpg: damaged inside") == 1
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
def test_a_command_line_says_one_sentence_of_a_cut_photo(tmp_path, kind: str) -> None:
    data = saved(noise(), kind)
    (tmp_path / "a.jpg").write_bytes(data[: len(data) // 2])
    code = (
        "from mmmask.cli import command\n"
        "def main():\n"
        "    from mmmask.datasets.photos import load_photo\n"
        f"    load_photo({str(tmp_path / 'a.jpg')!r})\n"
        "raise SystemExit(command(main))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == (
        f"error: {tmp_path}/a.jpg: not a photo that can be decoded (jpg, png, webp or bmp), "
        f"{len(data) // 2} bytes\n"
    )


def test_what_nobody_listens_to_reaches_standard_error(capfd) -> None:
    with c_messages():
        pass
    cv2.imdecode(np.frombuffer(damaged(), np.uint8), cv2.IMREAD_COLOR)
    assert "premature end" in capfd.readouterr().err


def claims(width: int, height: int) -> bytes:
    """Return a small png that holds many pixels of one colour, none of them transparent."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(99))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (claims(30000, 3400), "30000 x 3400"),
        (saved(Image.new("L", (65500, 1600)), "JPEG"), "65500 x 1600"),
        (saved(Image.new("L", (12000, 9000)), "BMP")[:100], "12000 x 9000"),
    ],
)
def test_more_pixels_than_a_photo_has_are_refused_before_they_are_decoded(
    monkeypatch, data: bytes, size: str
) -> None:
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("was decoded"))
    with pytest.raises(InputError, match=f"a.jpg: a photo must have at most 100 million .*{size};"):
        decoded(data, "a.jpg")


def test_a_jpeg_of_scans_without_end_is_refused() -> None:
    data = saved(Image.new("L", (5000, 5000)), "JPEG", progressive=True)
    start = data.rindex(b"\xff\xda")
    assert decoded(data, "a.jpg").shape == (5000, 5000, 3)
    with pytest.raises(InputError, match=r"a\.jpg: a photo must .* got 5000 x 5000 in 1\d\d scans"):
        decoded(data[:start] + data[start:-2] * 100 + b"\xff\xd9", "a.jpg")


def test_what_is_no_regular_file_is_refused_and_not_waited_for(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "link.jpg").symlink_to(tmp_path / "pipe.jpg")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    (tmp_path / "folder.jpg").mkdir()
    for name, kind in (("link", "a pipe"), ("zero", "a pipe or device"), ("folder", "a folder")):
        with pytest.raises(InputError, match=rf"{name}\.jpg: must be a regular file; got {kind}"):
            load_photo(tmp_path / f"{name}.jpg")
    (tmp_path / "lost.jpg").symlink_to(tmp_path / "nowhere")
    with pytest.raises(MissingFileError, match=r"lost\.jpg: no such photo"):
        load_photo(tmp_path / "lost.jpg")


def test_a_file_of_more_bytes_than_a_photo_has_is_refused(tmp_path) -> None:
    with (tmp_path / "a.jpg").open("wb") as file:
        file.truncate(100_000_001)
    with pytest.raises(InputError, match=r"a\.jpg: must have at most 100 MB; got 100\.0"):
        load_photo(tmp_path / "a.jpg")


def test_a_photo_is_found_by_its_name_in_either_form(tmp_path) -> None:
    folder = tmp_path / "\u1100\u1161" / "cafe\u0301"  # as macOS writes them
    folder.mkdir(parents=True)
    (folder / "e\u0301.png").write_bytes(saved(half_clear(), "PNG"))
    for name in ("\uac00/caf\u00e9/\u00e9.png", "\u1100\u1161/caf\u00e9/e\u0301.png"):
        assert load_photo(tmp_path / name).shape == (16, 8, 3)
    with pytest.raises(MissingFileError, match=r"e\.png: no such photo"):
        load_photo(tmp_path / "\uac00/cafe/e.png")


def test_a_name_that_holds_nul_is_that_of_no_photo() -> None:
    with pytest.raises(MissingFileError, match=r"no such photo"):
        load_photo("a\0b.jpg")
