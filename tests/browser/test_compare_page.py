from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmmask.datasets.layout import read_train, with_labels
from mmmask.labels import CLASSES
from mmmask.tables import PREDICTIONS, PROBABILITIES, write_table
from mmmask.workflows.pages.compare import compare

from .conftest import is_accessible, opened
from .legible import flaws


def predictions(samples: pd.DataFrame, says: np.ndarray, sure: np.ndarray) -> pd.DataFrame:
    values = np.repeat((1 - sure[:, None]) / 17, 18, axis=1)
    values[np.arange(len(says)), says] = sure
    table = pd.DataFrame(values, columns=list(PROBABILITIES))
    return pd.concat([samples[["image", "person", "label"]], table], axis=1)


@pytest.fixture(scope="module")
def path(drawn, tmp_path_factory) -> Path:
    """A is right of all but 4 photos; B of all but 10, of which it calls 8 older than they are."""
    folder = tmp_path_factory.mktemp("compare")
    samples = with_labels(read_train(drawn))
    truth = samples["label"].to_numpy(dtype=np.int64)
    sure = np.linspace(0.5, 0.9, len(samples))
    a, b = truth.copy(), truth.copy()
    young = np.flatnonzero(truth % 3 == 0)
    b[young[:8]] += 1
    worn = np.flatnonzero(truth < 6)
    b[worn[-2:]] += 6
    a[young[-4:]] += 2
    write_table(folder / "a.parquet", predictions(samples, a, sure), PREDICTIONS, {"seed": 0})
    write_table(folder / "b.parquet", predictions(samples, b, sure), PREDICTIONS, {"seed": 1})
    out = folder / "compare.html"
    compare(folder / "a.parquet", folder / "b.parquet", out, data_root=drawn)
    return out


@pytest.fixture
def shown(page, path):
    opened(page, path)
    return page


def test_it_loads_nothing_but_itself_and_is_named_for_those_who_hear_it(shown, path) -> None:
    assert shown.requests[0] == path.as_uri()
    assert all(url.startswith("data:") for url in shown.requests[1:])
    assert is_accessible(shown) == []


def test_the_differing_photos_filter_by_attribute_and_by_who_is_right(shown) -> None:
    gallery = shown.locator("#differences")
    assert gallery.locator("output").inner_text() == "14 of 14 differing photos"
    gallery.get_by_role("combobox", name="age", exact=True).select_option(label="<30 → 30-59 (8)")
    assert gallery.locator(".cards li").count() == 8
    assert gallery.locator(".cards li.bad").count() == 8
    gallery.get_by_role("button", name="Clear").click()
    gallery.get_by_role("combobox", name="who is right", exact=True).select_option(label="B (4)")
    assert gallery.locator(".cards li.good").count() == 4
    assert all("≥" not in words for words in gallery.locator("dd").all_inner_texts())


def test_disagreement_orders_the_photos(shown) -> None:
    gallery = shown.locator("#differences")
    gallery.get_by_role("combobox", name="order", exact=True).select_option(
        "largest disagreement first"
    )
    sure = [
        float(words.rsplit(", ", 1)[1].rstrip("%"))
        for words in gallery.locator("dd:nth-of-type(1)").all_inner_texts()
    ]
    assert sure == sorted(sure, reverse=True)  # both are as sure, of different classes


def test_a_pair_of_classes_leads_to_its_photos(shown) -> None:
    row = shown.locator("#pairs tbody tr").first
    mine, theirs = row.locator("td").nth(1).inner_text(), row.locator("td").nth(2).inner_text()
    photos = int(row.locator("td").nth(4).inner_text())
    assert {mine, theirs} < set(CLASSES)
    row.get_by_role("button").press("Enter")
    gallery = shown.locator("#differences")
    assert gallery.locator(".cards li").count() == photos
    assert (
        gallery.get_by_role("combobox", name="A says", exact=True)
        .locator("option:checked")
        .inner_text()
        .startswith(mine)
    )
    assert shown.evaluate("document.activeElement.closest('#differences') !== null")


def test_scores_and_the_interval_of_their_difference_stand_there(shown) -> None:
    words = shown.locator("#findings").inner_text()
    assert "Macro F1 of B minus that of A is -0." in words
    assert "12 people" in shown.locator("#scores").inner_text()
    rights = shown.locator("#scores table", has_text="A right, B wrong")
    counts = rights.locator("td:nth-child(2)").all_inner_texts()
    assert counts == ["70", "10", "4", "0", "0"]  # both, A alone, B alone, neither, neither alike


def test_it_is_legible_on_phone_and_desk_by_day_and_by_night(shown) -> None:
    assert flaws(shown) == []
