"""Files as accidents leave them: bytes flipped, zeroed, cut, moved, mixed with another file's."""

from collections.abc import Callable

import numpy as np

Random = np.random.Generator


def mutated(random: Random, data: bytes, other: bytes = b"") -> bytes:
    """Return ``data`` after one to three accidents; ``other`` is what it may be mixed with."""
    for _ in range(int(random.integers(1, 4))):
        data = ACCIDENTS[int(random.integers(len(ACCIDENTS)))](random, data, other or data)
    return data


def _place(random: Random, data: bytes) -> int:
    """Return where: anywhere, or, in half of the cases, near an end, where formats have headers."""
    near = min(len(data), 2048)
    if not data or random.random() < 0.5:
        return int(random.integers(len(data) + 1))
    place = int(random.integers(near + 1))
    return place if random.random() < 0.5 else len(data) - place


def _flipped(random: Random, data: bytes, other: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(int(random.integers(1, 9))):
        if changed:
            changed[_place(random, data) % len(changed)] ^= 1 << int(random.integers(8))
    return bytes(changed)


def _replaced(random: Random, data: bytes, other: bytes) -> bytes:
    """Write one of the numbers at which sizes and counts go wrong."""
    width = int(random.choice([1, 2, 4, 8]))
    number = [0, 1, (1 << (8 * width)) - 1, 1 << (8 * width - 1)][int(random.integers(4))]
    place = _place(random, data)
    order = ("little", "big")[int(random.integers(2))]
    return data[:place] + number.to_bytes(width, order) + data[place + width :]


def _zeroed(random: Random, data: bytes, other: bytes) -> bytes:
    place, length = _place(random, data), int(2 ** random.uniform(0, 14))
    return data[:place] + bytes(len(data[place : place + length])) + data[place + length :]


def _cut(random: Random, data: bytes, other: bytes) -> bytes:
    return data[: _place(random, data)]


def _grown(random: Random, data: bytes, other: bytes) -> bytes:
    place = _place(random, data)
    return data[:place] + random.bytes(int(random.integers(1, 200))) + data[place:]


def _removed(random: Random, data: bytes, other: bytes) -> bytes:
    place = _place(random, data)
    return data[:place] + data[place + int(random.integers(1, 200)) :]


def _doubled(random: Random, data: bytes, other: bytes) -> bytes:
    place, length = _place(random, data), int(random.integers(1, 2000))
    return data[:place] + 2 * data[place : place + length] + data[place + length :]


def _mixed(random: Random, data: bytes, other: bytes) -> bytes:
    return data[: _place(random, data)] + other[_place(random, other) :]


ACCIDENTS: list[Callable[[Random, bytes, bytes], bytes]] = [
    *(_flipped, _replaced, _zeroed, _cut, _grown, _removed, _doubled, _mixed),
]
