import numpy as np

from mmmask.reports.cam_overlay import heated


def test_warm_places_are_coloured_and_cold_ones_stay():
    photo = np.full((80, 60, 3), 100, dtype=np.uint8)
    heat = np.zeros((8, 6))
    heat[1, 4] = 1
    picture = heated(photo, heat)
    assert picture.shape == photo.shape
    assert (picture[40:] == 100).all()
    assert picture[15, 45, 2] > 180  # red
    assert picture[15, 45, 0] < 60  # blue
