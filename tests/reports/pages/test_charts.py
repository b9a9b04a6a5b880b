import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mmmask.evaluation.jackknife import Interval
from mmmask.reports.pages import charts
from mmmask.reports.pages.svg import round_ticks, tick_labels

LABELS = ("wear male <30", "a & b", "<script>")
CHARTS = {
    "bars": charts.bars("T", LABELS, {"A": [1, 0, 3], "B": [2, 2, 2]}),
    "columns": charts.columns("T", LABELS, {"A": [1, 0, 3]}, axis="x"),
    "lines": charts.lines("T", [1, 2, 4], {"A": [1, np.nan, 3], "B": [0, 1, 2]}, axis="epoch"),
    "intervals": charts.intervals(
        "T", LABELS, [Interval(0.1, 0, 0.2), Interval(np.nan, 0, 1), Interval(0, -1, 1)]
    ),
    "matrix": charts.matrix("T", [[2, 0, 1], [0, 3, 0], [0, 0, 0]], LABELS),
}


def shapes(chart: charts.Chart, name: str) -> list[ET.Element]:
    return list(ET.fromstring(str(chart.svg)).iter(name))


def percent(shape: ET.Element, name: str) -> float:
    return float(shape.attrib[name].rstrip("%"))


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_is_sound_xml_with_words_and_the_table_behind_it(name: str) -> None:
    chart = CHARTS[name]
    ET.fromstring(str(chart.svg))  # labels with < and & would break it
    assert "nan" not in str(chart.svg)
    assert chart.description
    assert len(chart.table.rows) == 3


def test_bars_are_as_long_as_their_values() -> None:
    widths = [percent(bar, "width") for bar in shapes(CHARTS["bars"], "rect")]
    assert np.array(widths) / max(widths) * 3 == pytest.approx([1, 2, 0, 2, 3, 2], abs=1e-3)
    assert CHARTS["bars"].legend == ("A", "B")
    assert CHARTS["bars"].table.rows == [[LABELS[0], 1, 2], [LABELS[1], 0, 2], [LABELS[2], 3, 2]]


def test_columns_stand_on_the_axis_and_are_as_high_as_their_values() -> None:
    heights = [float(bar.attrib["height"]) for bar in shapes(CHARTS["columns"], "rect")]
    feet = {
        float(b.attrib["y"]) + float(b.attrib["height"]) for b in shapes(CHARTS["columns"], "rect")
    }
    assert np.array(heights) / max(heights) * 3 == pytest.approx([1, 0, 3], abs=1e-3)
    assert len({round(foot, 1) for foot in feet}) == 1


def test_a_line_has_a_gap_where_a_value_is_missing() -> None:
    first, second = (path.attrib["d"] for path in shapes(CHARTS["lines"], "path"))
    assert re.sub(r"[^ML]", "", first) == "MM"
    assert re.sub(r"[^ML]", "", second) == "MLL"
    xs = [float(x) for x in re.findall(r"[ML]([\d.]+)", second)]
    assert (xs[2] - xs[1]) / (xs[1] - xs[0]) == pytest.approx(2, rel=1e-2)  # at 1, 2, 4


def test_an_interval_spans_from_low_to_high_around_its_dot() -> None:
    spans = [(percent(s, "x1"), percent(s, "x2")) for s in shapes(CHARTS["intervals"], "line")]
    dots = [percent(dot, "cx") for dot in shapes(CHARTS["intervals"], "circle")]
    assert len(spans) == len(dots) == 2  # the second row is empty
    (low, high), dot = spans[0], dots[0]
    assert dot == pytest.approx((low + high) / 2, abs=0.02)
    assert spans[1][1] - spans[1][0] == pytest.approx(10 * (high - low), rel=0.01)


def test_a_cell_is_shaded_by_its_share_of_the_row() -> None:
    shade = [float(cell.attrib["fill-opacity"]) for cell in shapes(CHARTS["matrix"], "rect")]
    assert shade == pytest.approx([0.67, 0, 0.33, 0, 1, 0, 0, 0, 0])
    assert CHARTS["matrix"].description == "83.3 % of 6 photos stand on the diagonal."


def test_more_series_than_one_can_tell_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="tells 5 series apart; got 6"):
        charts.bars("T", ["x"], {str(k): [k] for k in range(6)})


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6))
@example(0.0, 5e-324)
@example(0.0, 0.0)
def test_ticks_are_few_and_hold_the_range(low: float, span: float) -> None:
    ticks = round_ticks(low, low + span)
    slack = 1e-6 * max(1.0, abs(low), span)
    assert 2 <= len(ticks) <= 7
    assert ticks[0] <= low + slack
    assert ticks[-1] >= low + span - slack
    assert np.allclose(np.diff(ticks), ticks[1] - ticks[0])


def test_counts_have_whole_ticks() -> None:
    assert round_ticks(0, 1, "count") == [0, 1]
    assert round_ticks(0, 10, "count") == [0, 3, 6, 9, 12]


@pytest.mark.parametrize(
    ("ticks", "kind", "expected"),
    [
        ([0.9, 0.95, 1.0], "score", ["0.90", "0.95", "1.00"]),
        ([0.0, 0.025, 0.05], "share", ["0.0 %", "2.5 %", "5.0 %"]),
        ([0, 1000, 2000], "count", ["0", "1,000", "2,000"]),
        ([-0.5, 0.0, 0.5], "number", ["-0.5", "0.0", "0.5"]),
        ([0.0, 0.00025, 0.0005], "number", ["0.00000", "0.00025", "0.00050"]),
        ([0.0, 2.5e-6, 5e-6], "number", ["0", "2.5e-06", "5e-06"]),
    ],
)
def test_the_numbers_of_an_axis_have_the_same_decimals(ticks, kind, expected) -> None:
    assert tick_labels(ticks, kind) == expected


def test_a_mark_stands_at_its_place_between_the_values() -> None:
    chart = charts.lines("T", [0, 4], {"A": [1, 2]}, axis="epoch", mark=(1, "best"))
    (mark,) = (line for line in shapes(chart, "line") if line.get("class") == "zero")
    left, right = (percent(each, "cx") for each in shapes(chart, "circle"))
    assert percent(mark, "x1") == pytest.approx(left + (right - left) / 4)
    assert "best" in [text.text for text in shapes(chart, "text")]


def test_notes_stand_behind_the_figures_of_bars() -> None:
    chart = charts.bars("T", ["a", "b"], {"F1": [1, 0.5]}, kind="score", notes=["(7)", "(35)"])
    assert [text.text for text in shapes(chart, "text")] == ["a", "1.000 (7)", "b", "0.500 (35)"]


def test_a_value_without_bounds_is_a_dot_without_a_line() -> None:
    chart = charts.intervals("T", LABELS, [Interval(0.1, 0, 0.4), 0.2, Interval(0.3, 0, 1)])
    assert len(shapes(chart, "circle")) == 3
    assert len(shapes(chart, "line")) == 2


def test_shares_of_the_rows_stand_beside_the_counts_of_a_matrix() -> None:
    chart = charts.matrix("T", [[3, 1], [0, 2]], ["a", "b"], shares=True)
    assert chart.table.rows == [["a", 3, 1, 0.75, 0.25], ["b", 0, 2, 0, 1]]
    assert "75.0 %" in [text.text for text in shapes(chart, "text")]
