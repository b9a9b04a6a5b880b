from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmmask.datasets.layout import read_train, with_labels
from mmmask.labels import decode
from mmmask.reports.pages.run_facts import RunFacts
from mmmask.reports.pages.run_page import write_run_page
from mmmask.tables import PREDICTIONS, read_predictions, read_provenance, write_table
from mmmask.workflows.pages.run_report import run_report
from tests.fake_run import made_run
from tests.made_ages import certain
from tests.made_features import made_features

from .conftest import is_accessible, opened
from .legible import flaws


@pytest.fixture(scope="module")
def made(drawn, tmp_path_factory) -> tuple[Path, RunFacts]:
    """The page of a run of all drawn people, with pictures of evidence for three answers."""
    folder = tmp_path_factory.mktemp("run_page")
    samples = with_labels(read_train(drawn))
    run = made_run(folder / "run", samples, drawn)
    stated, table = (read(run / "val.parquet") for read in (read_provenance, read_predictions))
    years = certain(samples["age"].to_numpy(dtype=int) + np.arange(len(samples)) % 9)
    write_table(run / "val.parquet", pd.concat([table, years], axis=1), PREDICTIONS, stated)
    looks = np.random.default_rng(0).normal(size=(len(samples), 8))
    made_features(run / "features.arrow", samples["image"], looks)
    facts = run_report(run, folder / "run.html", cam=0)
    images = facts.scored.table["image"].iloc[facts.scored.worst[:3]]
    facts = replace(facts, heats={image: facts.thumbnails.number[image] for image in images})
    write_run_page(folder / "run.html", facts)
    return folder / "run.html", facts


@pytest.fixture
def shown(page, made):
    opened(page, made[0])
    return page


def test_it_loads_nothing_but_itself_and_is_named_for_those_who_hear_it(shown, made) -> None:
    assert shown.requests[0] == made[0].as_uri()
    assert all(url.startswith("data:") for url in shown.requests[1:])
    assert is_accessible(shown) == []


def test_the_head_tells_the_scores_with_their_intervals(shown, made) -> None:
    interval = made[1].scored.scores["macro_f1"]
    head = shown.locator("#findings .facts").inner_text()
    assert f"{interval.value:.3f}" in head
    assert f"{interval.low:.3f} to {interval.high:.3f}" in head


def test_ages_are_shown_with_their_bias(shown, made) -> None:
    section, bias = shown.locator("#ages"), made[1].scored.ages.scores["age_bias"].item()
    assert f"{bias:+.1f}" in section.locator(".facts").inner_text()
    assert section.locator("figure").count() == 3
    picture = section.locator("#chart-predicted-age-by-true-age-in-years .drawing")
    ages = made[1].scored.table["age"].nunique()
    assert picture.locator("circle").count() == picture.locator("line.l0").count() == ages


def test_wrong_answers_filter_by_attribute(shown, made) -> None:
    scored = made[1].scored
    parts = {part.name: part for part in scored.parts}
    wrong = {name: parts[name].truth != parts[name].predicted for name in ("mask", "gender", "age")}
    alone = int((wrong["age"] & ~wrong["mask"] & ~wrong["gender"]).sum())
    gallery = shown.locator("#errors")
    total = int((~scored.right).sum())
    assert gallery.locator("output").inner_text() == f"{total} of {total} wrong answers"
    box = gallery.get_by_role("combobox", name="wrong in", exact=True)
    box.select_option(label=f"age ({alone})")
    assert gallery.locator("output").inner_text() == f"{alone} of {total} wrong answers"
    only = wrong["age"] & ~wrong["mask"] & ~wrong["gender"]
    men = int((only & (decode(scored.table["label"])["gender"] == 0)).sum())
    box = gallery.get_by_role("combobox", name="label: gender", exact=True)
    box.select_option(label=f"male ({men})")
    labels = gallery.locator("dd:nth-of-type(2)").all_inner_texts()
    assert len(labels) == men > 0
    assert all(" male " in label for label in labels)
    gallery.get_by_role("button", name="Clear").press("Enter")
    assert gallery.locator("output").inner_text().startswith(f"{total} of")


def test_wrong_answers_are_ordered_and_evidence_stands_beside_the_surest(shown) -> None:
    gallery = shown.locator("#errors")

    def sure() -> list[float]:
        words = gallery.locator("dd:nth-of-type(1)").all_inner_texts()
        return [float(each.rsplit(", ", 1)[1].rstrip("%")) for each in words]

    assert sure() == sorted(sure(), reverse=True)
    cards = gallery.locator(".cards > li")
    photos = [cards.nth(k).locator("figure img").count() for k in range(4)]
    assert photos == [2, 2, 2, 1]
    assert [cards.nth(k).locator(".strip img").count() for k in range(4)] == [5, 5, 5, 5]
    assert cards.nth(0).locator("figcaption").all_inner_texts() == ["photo", "evidence"]
    gallery.get_by_role("combobox", name="order", exact=True).select_option("least sure first")
    assert sure() == sorted(sure())


def test_a_person_has_seven_photos_in_a_row_and_frames_tell_what_differs(shown, made) -> None:
    gallery = shown.locator("#disagreeing")
    people = made[1].scored.disagreeing
    assert gallery.locator("output").inner_text() == f"{len(people)} of {len(people)} people"
    first = gallery.locator(".cards li").first
    assert first.locator("img").count() == 7
    tops = first.locator("img").evaluate_all(
        "all => all.map((one) => one.getBoundingClientRect().y)"
    )
    assert np.ptp(tops) == 0
    assert first.locator(".name").inner_text() == people.index[0]
    both = int((people["gender"] & people["age"]).sum())
    box = gallery.get_by_role("combobox", name="differ in", exact=True)
    box.select_option(label=f"gender and age ({both})")
    assert gallery.locator(".cards li").count() == both


def test_a_dot_of_the_map_tells_who_it_is_and_shows_their_wrong_answers(shown, made) -> None:
    box, people = shown.locator("#people-map"), made[1].scored.table["person"].unique()
    ring = box.locator(".field circle")
    assert ring.bounding_box()["width"] < 5  # nobody is marked yet, only the line has a width
    box.locator(".field").press("ArrowRight")
    assert ring.bounding_box()["width"] > 5
    first = box.locator(".one .name").inner_text()
    assert first in people
    assert box.locator(".one img").evaluate("image => image.naturalWidth") > 0
    box.locator(".field").press("ArrowLeft")
    box.get_by_label("name contains").fill(people[3])
    assert box.locator(".one .name").inner_text() == people[3]
    svg = box.locator(".field svg")
    scale = svg.bounding_box()["width"] / 1000
    place = {x: scale * float(ring.get_attribute(f"c{x}")) for x in "xy"}
    box.get_by_label("name contains").fill(people[5])
    box.locator(".field").hover(position=place)
    assert box.locator(".one .name").inner_text() == people[3]
    box.get_by_role("button", name="Show wrong answers").click()
    titles = shown.locator("#errors .name").all_inner_texts()
    assert titles
    assert all(people[3] in title for title in titles)


def test_a_map_is_coloured_by_label_answer_or_mistake_and_shows_one_colour_alone(shown) -> None:
    box = shown.locator("#people-map")
    for view in ("label", "answer", "mistake"):
        box.get_by_label("colour by").select_option(view)
        counts = [
            int(words.rsplit("(", 1)[1].rstrip(")"))
            for words in box.locator(".keys button").all_inner_texts()
        ]
        assert sum(counts) == 12
    box.locator(".keys button").first.click()
    faint = box.locator(".field path").evaluate_all("all => all.map((one) => one.classList[2])")
    assert faint == [None, "faint", "faint", "faint"]


def test_scores_of_slices_sort_by_number(shown) -> None:
    shown.locator("summary", has_text="All scores by photo").click()
    table = shown.locator("#slices table", has_text="By photo").last
    head = table.locator("th", has_text="class right")
    head.locator("button").click()
    shares = [
        float(words.split("%")[0])
        for words in table.locator("tbody td:nth-child(4)").all_inner_texts()
    ]
    assert len(shares) == 7
    assert shares == sorted(shares, reverse=True)


def test_the_config_opens_and_is_only_text(shown) -> None:
    config = shown.locator("#card pre")
    assert not config.is_visible()
    shown.locator("summary", has_text="Complete config").press("Enter")
    assert config.inner_text().strip() == "seed = 7  # </script> & all"


def test_it_is_legible_on_phone_and_desk_by_day_and_by_night(shown) -> None:
    assert flaws(shown) == []
