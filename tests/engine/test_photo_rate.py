import time

import pytest

from mmmask.engine.photo_rate import PhotoRate


def test_photos_a_second_of_the_epoch_and_of_all(monkeypatch) -> None:
    clock = iter([0, 2, 2, 10, 14])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    rate = PhotoRate()
    assert rate.overall() is None
    rate.start()
    rate.add(6)
    rate.add(4)
    assert rate.epoch() == 5
    rate.stop()
    rate.start()
    rate.add(2)
    rate.stop()
    assert rate.overall() == pytest.approx(12 / (2 + 4))
