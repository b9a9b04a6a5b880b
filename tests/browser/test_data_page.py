import shutil
from pathlib import Path

import numpy as np
import pytest

from mmmask.datasets.layout import read_train
from mmmask.workflows.pages.data_report import data_report

from .conftest import is_accessible, opened
from .legible import flaws


@pytest.fixture(scope="module")
def root(drawn, tmp_path_factory) -> Path:
    """Drawn people with faults: a copy, junk, a missing and a broken photo, ids, a hostile name."""
    root = tmp_path_factory.mktemp("faulty") / "data"
    shutil.copytree(drawn, root)
    people = sorted((root / "train/images").iterdir())
    first, second, third = ({photo.stem: photo for photo in p.iterdir()} for p in people[:3])
    shutil.copy(first["mask1"], second["mask2"].with_suffix(first["mask1"].suffix))
    (people[0] / "._mask1.jpg").write_bytes(b"junk")
    second["normal"].unlink()
    third["mask3"].write_bytes(b"broken")
    table = root / "train/train.csv"
    renamed = people[4].name.replace(people[4].name[:6], people[3].name[:6])
    people[4].rename(people[4].with_name(renamed))
    hostile = people[5].name.replace("Asian", "<img src=x onerror=alert(1)>'\"&")
    people[5].rename(people[5].with_name(hostile))
    quoted = '"' + hostile.replace('"', '""') + '"'
    words = table.read_text().replace(people[4].name, renamed)
    table.write_text(words.replace(people[5].name, quoted))
    return root


@pytest.fixture(scope="module")
def path(root, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("page") / "data.html"
    data_report(root, out, faces=0)
    return out


@pytest.fixture
def data(page, path):
    opened(page, path)
    return page


def test_a_hostile_name_is_only_a_name(data) -> None:
    sheet = data.locator("#sheet")
    sheet.get_by_label("name contains").fill("<img")
    assert sheet.locator(".cards li").count() == 7
    assert "onerror=alert(1)" in sheet.locator(".name").first.inner_text()
    assert data.locator("img[src='x']").count() == 0


def column(table, number: int) -> list[str]:
    return table.locator(f"tbody tr td:nth-child({number})").all_inner_texts()


def test_it_loads_nothing_but_itself_and_is_named_for_those_who_hear_it(data, path) -> None:
    assert data.requests[0] == path.as_uri()
    assert all(url.startswith("data:") for url in data.requests[1:])
    assert is_accessible(data) == []


def test_it_says_what_is_wrong_with_the_files(data) -> None:
    said = data.locator(".findings").inner_text()
    for words in (
        "cannot be read: 1", "everybody should have: 1", "two people have, pixel by pixel: 1",
        "share their id with somebody, so that the folder names them: 2", "nothing reads: 1",
    ):  # fmt: skip
        assert words in said
    listed = data.locator("#files").inner_text()
    assert "._mask1.jpg" in listed
    assert "/normal" in listed


def test_a_column_sorts_up_and_down_by_number_and_by_keyboard(data) -> None:
    table = data.locator("#ages table", has_text="People called old").last
    head = table.locator("th", has_text="people")
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    numbers = [int(number) for number in column(table, 2)]
    assert numbers == sorted(numbers, reverse=True)
    first = table.locator("th", has_text="old")
    first.locator("button").focus()
    data.keyboard.press("Enter")
    assert first.get_attribute("aria-sort") == "ascending"
    assert head.get_attribute("aria-sort") is None
    assert column(table, 1) == [f"from {cut} on" for cut in (57, 58, 59, 60)]


def test_search_leaves_the_rows_with_the_words(data) -> None:
    box = data.locator("#files .table", has_text="Where they are")
    box.get_by_label("Search").fill("missing")
    assert box.locator("tbody tr:visible").count() == 1
    assert "1 of" in box.locator("output").inner_text()


def test_the_sheet_filters_by_attribute_and_counts_what_is_left(data, root) -> None:
    samples = read_train(root)
    sheet = data.locator("#sheet")
    normal = int((samples["mask"] == "normal").sum())
    sheet.get_by_role("combobox", name="mask", exact=True).select_option(label=f"normal ({normal})")
    assert sheet.locator("output").inner_text().startswith(f"{normal} of")
    assert sheet.locator(".cards li").count() == normal
    assert all("normal" in words for words in sheet.locator(".lead").all_inner_texts())
    widths = sheet.locator("img").evaluate_all("all => all.map((one) => one.naturalWidth)")
    assert min(widths) > 0
    sheet.get_by_role("button", name="Clear").click()
    everything = sheet.locator("output").inner_text()
    assert everything == f"{len(samples) + 14} of {len(samples) + 14} photos"


def test_the_sheet_turns_pages_and_orders(data) -> None:
    sheet = data.locator("#sheet")
    assert sheet.locator(".cards li").count() == 60
    sheet.get_by_role("combobox", name="order", exact=True).select_option("darkest first")
    light = [float(words) for words in sheet.locator("dd:last-of-type").all_inner_texts()]
    assert np.all(np.diff(light) >= 0)
    seen = sheet.locator(".name").first.inner_text()
    sheet.get_by_role("button", name="Next").first.press("Enter")
    assert sheet.locator(".name").first.inner_text() != seen
    assert "page 2 of 2" in sheet.locator(".place").first.inner_text()


def test_a_button_shows_the_seven_photos_of_a_person(data) -> None:
    row = data.locator("#files tr", has=data.get_by_role("button")).last
    person = row.locator("td").nth(2).inner_text()
    row.get_by_role("button").click()
    names = data.locator("#sheet .name").all_inner_texts()
    assert len(names) == 7
    assert all(name.startswith(person) for name in names)


def test_light_and_dark_and_a_phone(data) -> None:
    def brightness() -> int:
        return data.evaluate(
            "Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/))"
        )

    assert flaws(data) == []
    button = data.get_by_role("button", name="Dark", exact=True)
    assert (brightness() > 128, button.get_attribute("aria-pressed")) == (True, "false")
    button.click()
    assert (brightness() < 128, button.get_attribute("aria-pressed")) == (True, "true")
    data.reload()
    assert brightness() < 128
