import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmmask.workflows.group_people import group_people
from tests.made_features import made_features

from .conftest import is_accessible, opened
from .legible import flaws


@pytest.fixture(scope="module")
def path(drawn, tmp_path_factory) -> Path:
    """Of six photos, the first two are given people who look like one; 2 and 3 nearly are one."""
    folder = tmp_path_factory.mktemp("people")
    for number, person in enumerate(sorted((drawn / "train/images").iterdir())[:6]):
        shutil.copy(person / "normal.jpg", folder / f"{number}.jpg")
    images = [f"{number}.jpg" for number in range(6)]
    people = pd.DataFrame({"image": images, "person": ["anna", "bert", "", "", "", ""]})
    people.to_csv(folder / "table.csv", index=False)
    angles = np.radians([0, 3, 90, 151, 220, 288])
    values = np.column_stack([np.cos(angles), np.sin(angles)])
    # The mean of all is 0, and angles stay as they are.
    both = [*images, *(f"mirrored/{name}" for name in images)]
    features = made_features(
        folder / "features.arrow", both, np.concatenate([values, -values]).astype(np.float32)
    )
    group_people(
        folder / "table.csv", folder / "people.csv", page=folder / "p.html", features=features
    )
    return folder / "p.html"


@pytest.fixture
def shown(page, path):
    opened(page, path)
    return page


def test_it_loads_nothing_but_itself_and_is_named_for_those_who_hear_it(shown, path) -> None:
    assert shown.requests[0] == path.as_uri()
    assert all(url.startswith("data:") for url in shown.requests[1:])
    assert is_accessible(shown) == []


def test_each_doubt_shows_two_photos_the_most_doubtful_first(shown) -> None:
    cards = shown.locator("#doubts .cards li")
    first = cards.first
    assert first.locator("img").count() == 2
    words = first.inner_text()
    assert "two given people, alike" in words
    assert "anna (1) and bert (1)" in words
    now = shown.get_by_role("combobox", name="now", exact=True)
    assert cards.count() > 1
    now.select_option(label="two given people, alike (1)")
    assert cards.count() == 1


def test_it_is_legible_on_phone_and_desk_by_day_and_by_night(shown) -> None:
    assert flaws(shown) == []
