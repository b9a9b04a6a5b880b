import numpy as np
import pytest

from mmmask.drawing.canvas import Canvas, both_sides, brushstroke, curve, mix, oval

SQUARE = np.array([(2.0, 2.0), (6.0, 2.0), (6.0, 6.0), (2.0, 6.0)])
RED = (255, 0, 0)


@pytest.mark.parametrize("closed", [True, False])
def test_a_curve_runs_through_its_points(closed: bool) -> None:
    path = curve(SQUARE, closed=closed)
    for point in SQUARE:
        assert np.linalg.norm(path - point, axis=1).min() < 1e-9


def test_a_curve_through_points_on_a_line_stays_on_it() -> None:
    path = curve([(0, 0), (1, 2), (2, 4), (4, 8)], closed=False)
    np.testing.assert_allclose(path[:, 1], 2 * path[:, 0], atol=1e-12)


def test_a_brushstroke_is_widest_in_the_middle_and_keeps_its_tips() -> None:
    outline = brushstroke([(0, 0), (5, 0), (10, 0)], 2.0, tip=0.25)
    half = len(outline) // 2
    width = np.abs(outline[:half, 1] - outline[half:][::-1, 1])
    assert width.max() == pytest.approx(2.0)
    assert width[half // 2] == pytest.approx(2.0)
    assert width[[0, -1]] == pytest.approx(0.5)


def test_both_sides_mirrors_without_doubling_the_middle() -> None:
    outline = both_sides([(0, 0), (3, 1), (0, 2)])
    assert outline.tolist() == [[0, 0], [3, 1], [0, 2], [-3, 1]]


def test_an_oval_has_its_half_axes_and_turns() -> None:
    outline = oval(1, 2, 4, 2, turn=np.pi / 2) - (1, 2)
    assert np.abs(outline).max(axis=0) == pytest.approx([2, 4])


def test_mixing_stays_a_colour() -> None:
    assert mix((0, 100, 200), (100, 100, 100), 0.25) == (25, 100, 175)
    assert mix((250, 0, 0), (255, 0, 0), 9) == (255, 0, 0)


def test_a_filled_square_covers_its_pixels_and_no_others() -> None:
    canvas = Canvas(10, 8)
    canvas.fill(SQUARE, RED)
    picture = canvas.picture()
    assert picture.shape == (8, 10, 3)
    assert (picture[3:5, 3:5] == RED).all()
    assert not picture[:, 8:].any()
    assert not picture[:1].any()


def test_units_place_and_side_move_a_shape() -> None:
    straight, mirrored = Canvas(20, 20), Canvas(20, 20)
    straight.place(10, 0, unit=2)
    straight.fill(SQUARE - (2, 2), RED, at=(1, 3))
    mirrored.place(10, 0, unit=2)
    mirrored.fill(SQUARE - (2, 2), RED, at=(-1, 3), side=-1)
    assert (straight.picture()[7:13, 13:19] == RED).all()
    assert not straight.picture()[:, :11].any()
    assert (mirrored.picture()[7:13, 1:7] == RED).all()
    assert not mirrored.picture()[:, 9:].any()


def test_half_opacity_averages_with_what_is_below() -> None:
    canvas = Canvas(10, 10)
    canvas.fill(SQUARE, (200, 100, 0))
    canvas.fill(SQUARE, (0, 100, 100), 0.5)
    np.testing.assert_allclose(canvas.picture()[4, 4], (100, 100, 50), atol=1)


def test_a_stencil_keeps_paint_inside() -> None:
    canvas = Canvas(10, 10)
    inside = canvas.stencil(SQUARE)
    canvas.fill(np.array([(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)]), RED, inside=inside)
    assert (canvas.picture()[3:5, 3:5] == RED).all()
    assert not canvas.picture()[8:].any()


def test_blur_softens_the_border_and_keeps_the_amount_of_paint() -> None:
    hard, soft = Canvas(40, 40), Canvas(40, 40)
    shape = oval(20, 20, 8, 8)
    hard.fill(shape, RED)
    soft.fill(shape, RED, blur=2)
    before, after = (canvas.picture()[..., 0].astype(float) for canvas in (hard, soft))
    assert after.sum() == pytest.approx(before.sum(), rel=0.05)
    assert np.abs(np.diff(after[20])).max() < 0.5 * np.abs(np.diff(before[20])).max()


def test_what_lies_outside_the_picture_is_left_out() -> None:
    canvas = Canvas(10, 10)
    canvas.fill(SQUARE + 50, RED, 0.5, blur=1)
    canvas.fill(SQUARE - 4, RED, 0.5)  # half outside
    assert canvas.picture()[0, 0, 0] > 100
    assert not canvas.picture()[5:].any()
