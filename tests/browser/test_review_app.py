"""Labels reviewed by keys in a real browser, with what may go wrong on the way."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mmmask.datasets.corrections import correct, read_corrections
from mmmask.datasets.layout import read_train, with_labels
from mmmask.tables import PREDICTIONS, PROBABILITIES, write_table
from mmmask.workflows.label_errors.review import opened_review
from mmmask.workflows.label_errors.review_app import review_app
from tests.made_review import list_label_issues
from tests.served_app import served

from .conftest import is_accessible
from .legible import flaws

ROOT = Path(__file__).parents[2]


class Tab:
    """The page in a window, as its user knows it."""

    def __init__(self, window: Any, address: str) -> None:
        self.window = window
        window.set_default_timeout(90_000)
        window.goto(address)
        window.wait_for_selector("html[data-review]", state="attached")

    def press(self, *keys: str) -> None:
        """Press keys, each when the answer to the one before has come."""
        for key in keys:
            self.window.keyboard.press(key)
            self.window.wait_for_selector("html:not([data-busy])", state="attached")

    def says(self, name: str) -> str:
        return self.window.locator(f"#{name}").inner_text()

    @property
    def number(self) -> int:
        return int(self.says("place").split()[2])

    def choose(self, name: str, value: str) -> None:
        self.window.locator(f"#{name}").select_option(value)
        self.window.locator("#question").click()


@pytest.fixture
def listed(drawn, tmp_path) -> pd.DataFrame:
    """Label issues of 12 drawn people: 12 of gender, 78 of masks, 12 of age."""
    return list_label_issues(drawn, tmp_path / "suspects.csv")


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "corrections.csv"


@pytest.fixture
def address(drawn, listed, out) -> Iterator[str]:
    """A server in this process; the model is sure of the labels, and calls all people men."""
    samples = with_labels(read_train(drawn))
    labels = samples["label"].to_numpy(dtype=np.int64)
    table = pd.DataFrame(0.1 / 18 + 0.9 * np.eye(18)[labels], columns=list(PROBABILITIES))
    for row in np.flatnonzero(labels // 3 % 2):
        table.loc[row] = np.roll(table.loc[row].to_numpy(), -3)
    table.insert(0, "image", samples["image"])
    oof = out.with_name("oof.parquet")
    write_table(oof, table, PREDICTIONS)
    with (
        opened_review(out.with_name("suspects.csv"), out, data_root=drawn) as review,
        served(review_app(review, drawn, opinions=oof)) as address,
    ):
        yield address


@pytest.fixture
def tab(page, address) -> Iterator[Tab]:
    yield Tab(page, address)
    page.wait_for_load_state("networkidle")  # photos that the next label issue would need


def rows(out: Path) -> list[tuple[str, ...]]:
    """Return the corrections as training reads them, without reasons."""
    return [tuple(row)[:4] for row in read_corrections(out).itertuples(index=False)]


def proposal(listed: pd.DataFrame, number: int) -> tuple[str, ...]:
    return tuple(listed[["person", "photo", "field", "value"]].iloc[number])


def test_keys_decide_and_training_reads_what_they_decided(tab, listed, out, drawn) -> None:
    assert tab.number == 1
    tab.press("a", "k", "l")
    assert rows(out) == [proposal(listed, 0)]
    assert tab.number == 4
    assert tab.says("progress").startswith("2 of 102 decided · 1 accepted · 1 kept · 1 for later")
    women = listed["reason"].iloc[3] == "labelled female"
    tab.press("m" if women else "f")  # what is proposed, by its name
    assert rows(out)[1] == proposal(listed, 3)

    tab.choose("kind", "mask")
    first = tab.number - 1
    tab.press(*"123")  # mask states in turn; one of them may be the label or the proposal
    states = [one for one in rows(out) if one[2] == "mask"]
    masks = read_train(drawn).set_index("image")["mask"]
    for place, value in enumerate(("wear", "incorrect", "normal")):
        person, photo, field, _ = proposal(listed, first + place)
        label = masks[f"train/images/{person}/{photo}.jpg"]
        assert ((person, photo, field, value) in states) == (value != label)

    tab.choose("kind", "age")
    number = tab.number - 1
    tab.press("4", "2", "Enter")
    assert rows(out)[-1] == (listed["person"][number], "*", "age", "42")
    assert "Set to 42" in tab.says("said")
    assert tab.window.locator("#age").input_value() == ""
    tab.press("1", "2", "9", "Enter")
    assert "whole years from 0 to 120" in tab.says("said")
    tab.press("k")  # decides in the midst of a number
    assert tab.number == number + 3
    corrected = correct(read_train(drawn), read_corrections(out), "")
    assert set(corrected.loc[corrected["person"] == listed["person"][number], "age"]) == {42}


def test_a_swap_can_be_answered_photo_by_photo(tab, listed, out) -> None:
    number = int(np.flatnonzero(listed["value"].str.startswith("swap"))[0])
    tab.choose("kind", "mask")
    while tab.number != number + 1:
        tab.press("ArrowRight")
    assert tab.says("question") == "Mask: Exchange incorrect and normal?"
    assert tab.window.locator(".doubted").count() == 2
    first = tab.window.locator("[aria-pressed=true] img").get_attribute("alt").split(",")[0]
    tab.press("1", "ArrowLeft")
    assert tab.says("state") == f"Set to {first} wear"
    tab.press("p")
    other = tab.window.locator(".photos [aria-pressed=true] img").get_attribute("alt").split(",")[0]
    assert {first, other} == {"normal", "incorrect_mask"}
    tab.press("1")
    person = listed["person"][number]
    assert sorted(rows(out)) == sorted((person, stem, "mask", "wear") for stem in (first, other))


def test_undo_takes_back_any_number_of_steps(tab, listed, out) -> None:
    tab.press("a", "a", "k", "a")
    assert len(rows(out)) == 3
    tab.press("u", "Control+z")
    assert tab.number == 3
    assert "Undone" in tab.says("said")
    assert len(rows(out)) == 2
    tab.window.get_by_role("button", name="undo").click()
    tab.press("u", "u")  # one more than there are
    assert rows(out) == []
    assert tab.number == 1
    assert tab.window.get_by_role("button", name="undo").is_disabled()


def test_a_tab_that_is_behind_learns_of_it_and_loses_nothing(
    tab, browser, address, listed, out
) -> None:
    window = browser.new_page()  # a browser of its own: no word passes between the two
    other = Tab(window, address)
    tab.press("a", "ArrowRight")
    assert (tab.number, other.number) == (3, 1)
    other.press("ArrowRight", "k")  # 2: of a version that is not the last; sent again
    assert other.says("progress").startswith("2 of 102 decided · 1 accepted · 1 kept")
    other.press("a")
    tab.press("k")  # 3, which the other has accepted meanwhile
    assert "Changed meanwhile" in tab.says("said")
    assert (tab.number, tab.says("state")) == (3, "Accepted")
    assert rows(out) == [proposal(listed, 0), proposal(listed, 2)]
    tab.press("k")
    assert rows(out) == [proposal(listed, 0)]
    other.press("u")  # would take back what it has not seen
    assert "Press u again" in other.says("said")
    assert rows(out) == [proposal(listed, 0)]
    other.press("u")
    assert rows(out) == [proposal(listed, 0), proposal(listed, 2)]
    window.close()


def test_a_second_tab_of_the_browser_follows_by_itself(browser, address) -> None:
    both = browser.new_context()
    one, other = (Tab(both.new_page(), address) for _ in range(2))
    one.press("a", "a")
    other.window.locator("#progress", has_text="2 of 102").wait_for()
    both.close()


def test_a_second_tab_follows_when_two_decisions_come_at_once(browser, address) -> None:
    both = browser.new_context()
    one, other = (Tab(both.new_page(), address) for _ in range(2))
    other.window.wait_for_load_state("networkidle")
    held = []

    def hold(route: Any) -> None:
        """Keep the answers to the first two questions until both are there."""
        if len(held) < 2:
            held.append((route, route.fetch()))
        else:
            route.continue_()

    other.window.route("**/state", hold)
    for asked in (1, 2):
        one.press("a")
        while len(held) < asked:
            other.window.wait_for_timeout(20)
    for route, answer in held:
        route.fulfill(response=answer)
    other.window.locator("#progress", has_text="2 of 102").wait_for()
    both.close()


@contextmanager
def process(port: int, *arguments: object) -> Iterator[subprocess.Popen]:
    """Run tools/review.py until the block ends; yield when it serves."""
    command = [sys.executable, "tools/review.py", *map(str, arguments), "--port", str(port)]
    running = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ}
    )
    try:
        assert running.stdout is not None
        assert f":{port}" in running.stdout.readline()
        yield running
    finally:
        running.kill()
        running.wait()
        running.stdout.close()


def test_a_killed_server_has_lost_nothing_and_the_tab_goes_on(browser, drawn, listed, out) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = (port, out.with_name("suspects.csv"), "--out", out, "--data-root", drawn)
    window = browser.new_page()
    with process(*arguments) as running:
        tab = Tab(window, f"http://127.0.0.1:{port}")
        tab.press("a", "k", "a")
        running.send_signal(signal.SIGKILL)
        running.wait()
        window.keyboard.press("a")  # nobody answers
        window.locator("#said.fault", has_text="does not answer").wait_for()
        assert tab.number == 4
    assert rows(out) == [proposal(listed, 0), proposal(listed, 2)]
    with process(*arguments):
        window.wait_for_selector("html:not([data-busy])", state="attached")
        assert tab.number == 5
        assert rows(out) == [proposal(listed, n) for n in (0, 2, 3)]
        again = Tab(window, f"http://127.0.0.1:{port}")
        assert again.number == 5
        again.press("u", "u", "u", "u")  # also what was before the crash
        assert rows(out) == []
    window.close()


def test_the_list_filters_shows_states_and_leads_to_a_label_issue(tab, listed) -> None:
    tab.press("a", "k", "l")
    shown = tab.window.locator("#rows tr:visible")
    assert shown.count() == 102
    tab.choose("verdict", "later")
    assert shown.count() == 1
    assert tab.number == 3
    tab.choose("verdict", "")
    tab.choose("kind", "age")
    assert shown.count() == 12
    shown.nth(4).get_by_role("button").click()
    assert tab.number == int(shown.nth(4).locator("td").first.inner_text())
    tab.press("ArrowRight", "ArrowLeft", "ArrowLeft")
    assert tab.number == int(shown.nth(3).locator("td").first.inner_text())
    assert listed["kind"][tab.number - 1] == "age"


def test_opinions_stand_below_photos_and_are_marked_where_the_label_differs(tab, listed) -> None:
    while listed["reason"][tab.number - 1] != "labelled female":
        tab.press("ArrowRight")
    opinions = tab.window.locator(".says .asked")
    assert opinions.all_inner_texts() == ["male\n95\xa0%"] * 7
    assert tab.window.locator(".says .asked.unlike").count() == 7
    assert tab.window.locator(".says .unlike").count() == 7  # mask and age are as labelled


def test_a_hundred_decisions_take_the_app_less_than_a_minute(tab, listed) -> None:
    start = time.monotonic()
    for key in ("a", "k", "l", "k") * 25:
        tab.press(key)
    assert time.monotonic() - start < 60
    assert tab.says("progress").startswith("75 of 102 decided")


def test_keys_can_be_switched_off_and_buttons_do_the_same(tab, out) -> None:
    tab.window.locator("#keys").uncheck()
    tab.press("a")
    assert not out.exists()
    tab.window.get_by_role("button", name="accept").click()
    tab.window.wait_for_selector("html:not([data-busy])", state="attached")
    assert len(rows(out)) == 1


def test_phones_and_screen_readers_are_served(tab) -> None:
    assert is_accessible(tab.window) == ["not one nav[aria-label]"]  # there are no sections
    heard = tab.window.locator("#heard")
    assert heard.inner_text().startswith("Label issue 1 of 102. Gender: ")
    tab.press("k")
    assert heard.inner_text().startswith("Label issue 2 of 102. Gender: ")
    assert tab.window.locator("[aria-keyshortcuts]").count() == 9
    for kind in ("gender", "mask", "age"):
        tab.choose("kind", kind)
        assert flaws(tab.window) == [], kind
