import json

import pandas as pd
import pytest

from mmmask.evaluation.jackknife import Interval
from mmmask.reports.pages.page import _environment, as_data, write_page
from mmmask.reports.pages.parts import Gallery, Show, Table, shown

CONTENT = {
    "title": "data",
    "kind": "page",
    "summary": "</title><script>alert(1)</script>",
}


def test_values_are_written_as_their_kind_and_missing_ones_as_a_dash() -> None:
    assert [shown(*each) for each in [(1234, "count"), (0.5, "share"), (0.5, "score")]] == [
        "1,234", "50.0 %", "0.500",
    ]  # fmt: skip
    assert [shown(*each) for each in [(-0.25, "difference"), ("x", "text"), (7.0, "number")]] == [
        "-0.250", "x", "7",
    ]  # fmt: skip
    assert {shown(value, "score") for value in (None, float("nan"))} == {"\u2013"}


def test_an_interval_is_written_with_its_bounds_and_sorts_by_its_value(tmp_path) -> None:
    interval = Interval(0.5, 0.25, 0.75)
    assert shown(interval, "share") == "50.0 % [25.0, 75.0]"
    assert shown(interval, "score") == "0.500 [0.250, 0.750]"
    row = _environment().from_string(
        '{% import "macros.html" as ui with context %}{{ ui.cell(value, "share") }}'
    )
    assert 'data-value="0.5"' in row.render(value=interval)
    assert 'data-value="0.25"' in row.render(value=0.25)


def test_data_in_a_script_cannot_end_it() -> None:
    value = {"name": "</script><script>alert(1)</script>", "more": "<!-- é"}
    text = as_data(value)
    assert "<" not in text
    assert json.loads(text) == value


def test_a_page_is_one_file_that_escapes_what_it_shows(tmp_path) -> None:
    path = tmp_path / "page.html"
    write_page(path, "base.html", **CONTENT)
    html = path.read_text()
    assert "<script>alert(1)" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "http" not in html.replace("http-equiv", "")


def test_a_page_that_fails_leaves_the_old_one(tmp_path) -> None:
    path = tmp_path / "page.html"
    path.write_text("old")
    with pytest.raises(Exception, match="undefined"):
        write_page(path, "data_page.html", **CONTENT)
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["page.html"]


def test_a_gallery_writes_repeated_words_once() -> None:
    gallery = Gallery("g", {"": [0, -1, 2]}, ["a", "b", "c"], facets={"who": ["x", "y", "x"]})
    assert gallery.data["facets"] == {"who": {"values": ["x", "y"], "codes": [0, 1, 0]}}
    assert json.dumps(gallery.data)


def test_a_table_takes_its_columns_from_a_frame() -> None:
    frame = pd.DataFrame({"b": [1, 2], "a": ["x", None], "c": [Show("g", {}, "x"), None]})
    table = Table.from_frame("T", frame, {"a": "text", "b": "count", "c": "show"})
    assert table.rows == [["x", 1, Show("g", {}, "x")], [None, 2, None]]
