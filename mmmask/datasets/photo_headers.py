"""What the first bytes of a photo tell: format, size and transparency, no pixel decoded."""

from typing import NamedTuple

#: Formats that are read, as messages name them.
FORMATS = "jpg, png, webp or bmp"


class Header(NamedTuple):
    """Of a photo."""

    format: str  # a word of FORMATS
    width: int  # in pixels, before EXIF rotation
    height: int
    transparent: bool = False  # whether pixels may be
    scans: int = 1  # how often the pixels of a JPEG are gone through


def header_of(data: bytes) -> Header | None:
    """Return the header of a photo, None where it is of no format that is read, or broken."""
    if data.startswith(b"\xff\xd8\xff"):
        return _jpg(data)
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp(data)
    return _bmp(data) if data.startswith(b"BM") else None


def _jpg(data: bytes) -> Header | None:
    """Walk over the segments to the frame header, as libjpeg does."""
    place = 2
    while (place := data.find(b"\xff", place)) >= 0:
        while data[place : place + 1] == b"\xff":
            place += 1
        marker = _big(data, place, 1)
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = _big(data, place + 4), _big(data, place + 6)
            scans = data.count(b"\xff\xda")
            return Header("jpg", width, height, scans=scans) if len(data) > place + 8 else None
        if marker in (0xD9, 0xDA):  # the end, or pixels
            return None
        alone = marker <= 0x01 or 0xD0 <= marker <= 0xD8
        place += 1 if alone else 1 + max(2, _big(data, place + 1))
    return None


def _png(data: bytes) -> Header | None:
    if data[12:16] != b"IHDR" or len(data) < 29:
        return None
    depth, kind = data[24], data[25]
    transparent = kind in (4, 6)  # grey or colour with an alpha channel
    if not transparent and (depth, kind) != (16, 0):
        transparent = data.find(b"tRNS", 33, max(0, data.find(b"IDAT", 33))) >= 0
    return Header("png", _big(data, 16, 4), _big(data, 20, 4), transparent)


def _webp(data: bytes) -> Header | None:
    kind = data[12:16]
    if len(data) < 30:
        return None
    if kind == b"VP8X":
        width, height = 1 + _little(data, 24, 3), 1 + _little(data, 27, 3)
        return Header("webp", width, height, bool(data[20] & 0x10))
    if kind == b"VP8L":
        bits = _little(data, 21, 4)
        sides = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        return Header("webp", *sides, bool(bits >> 28 & 1))
    if kind == b"VP8 ":
        return Header("webp", _little(data, 26, 2) & 0x3FFF, _little(data, 28, 2) & 0x3FFF)
    return None


def _bmp(data: bytes) -> Header | None:
    if len(data) < 26:
        return None
    if _little(data, 14, 4) == 12:  # of OS/2
        return Header("bmp", _little(data, 18, 2), _little(data, 20, 2))
    width, height = (
        int.from_bytes(data[place : place + 4], "little", signed=True) for place in (18, 22)
    )
    return Header("bmp", abs(width), abs(height))  # a negative height: rows from the top


def _big(data: bytes, place: int, size: int = 2) -> int:
    return int.from_bytes(data[place : place + size], "big")


def _little(data: bytes, place: int, size: int) -> int:
    return int.from_bytes(data[place : place + size], "little")
