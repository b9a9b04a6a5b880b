"""The part of the run page that compares people by frozen features."""

import sys
from pathlib import Path

import numpy as np
import pytest

from mmmask.errors import InputError
from mmmask.labels import CLASSES, decode
from mmmask.reports.pages.run_findings import find
from mmmask.reports.pages.run_galleries import errors
from mmmask.reports.pages.run_likeness import people_on_the_map
from mmmask.tables import ATTRIBUTE_PREDICTIONS, PREDICTIONS, prediction_columns, write_table
from mmmask.workflows.pages.report import report
from mmmask.workflows.pages.run_report import run_report
from tests.fake_run import made_predictions, made_run, made_samples
from tests.made_features import made_features


def values(column: dict) -> list[str]:
    return [column["values"][code] for code in column["codes"]]


def by_looks(samples, seed=0):
    """Return features, (N, 12), most of which tell the gender and some the age."""
    random = np.random.default_rng(seed)
    parts = decode(samples["label"].to_numpy(dtype=int))
    known = np.stack([parts["gender"]] * 8 + [parts["age"]] * 2, axis=1)
    noise = random.normal(size=(len(samples), 2))
    return np.concatenate([known + 0.1 * random.normal(size=known.shape), noise], axis=1)


@pytest.fixture
def probe(tmp_path) -> Path:
    """A folder of predictions out of fold and features of 40 people; no training, no photos."""
    folder = tmp_path / "probe"
    folder.mkdir()
    samples = made_samples(people=40)
    fold = samples["person"].astype("category").cat.codes % 4
    table = made_predictions(samples).assign(fold=fold)
    write_table(folder / "oof.parquet", table, PREDICTIONS, {"split": "oof"})
    made_features(folder / "features.arrow", samples["image"], by_looks(samples))
    return folder


def test_a_probe_has_a_page_with_its_folds_and_a_map_of_all_people(probe, tmp_path):
    report(probe, tmp_path / "probe.html")
    facts = run_report(probe, tmp_path / "probe.html")
    html = (tmp_path / "probe.html").read_text()
    for told in (
        "280 photos of 40 people", "each fold is answered by a model that has not seen it",
        "Map of the people", "Most alike: photos of other people",
    ):  # fmt: skip
        assert told in html, told
    assert facts.folds["part"].tolist() == [
        "0",
        "1",
        "2",
        "3",
        "mean of folds",
        "std of folds",
        "out of fold",
    ]
    assert not any("HiResCAM" in sentence for sentence in facts.missing)
    drawn = people_on_the_map(facts, facts.scored, facts.likeness)
    table = facts.scored.table
    assert sorted(drawn.titles) == sorted(table["person"].unique())
    assert drawn.left_out == 0
    label, answer, mistake = drawn.data["views"]
    for k, person in enumerate(drawn.titles):
        mine = table[table["person"] == person]
        true = decode(mine["label"].iloc[0])
        told = {
            part.name: part.values[part.probabilities[mine.index].mean(axis=0).argmax()]
            for part in facts.scored.parts
        }
        name = CLASSES[mine["label"].iloc[0]].split(" ", 1)[1]
        assert label["values"][label["codes"][k]] == values(drawn.data["lines"]["label"])[k] == name
        assert answer["values"][answer["codes"][k]] == f"{told['gender']} {told['age']}"
        genders, ages = (facts.scored.parts[j].values for j in (2, 3))
        wrong = [
            "gender" if genders[true["gender"]] != told["gender"] else "",
            "age" if ages[true["age"]] != told["age"] else "",
        ]
        said = mistake["values"][mistake["codes"][k]]
        assert said == (" and ".join(filter(None, wrong)) or "none")
        photos = int((~facts.scored.right[mine.index]).sum())
        assert values(drawn.data["lines"]["wrong photos"])[k] == f"{photos} of 7"


def test_beside_wrong_answers_are_photos_of_others_with_labels_that_differ_marked(probe, tmp_path):
    facts = run_report(probe, tmp_path / "probe.html")
    scored, alike = facts.scored, facts.likeness.alike
    table, labels = scored.table, decode(scored.truths["class"])
    gallery = errors(facts, scored)
    mask = scored.parts[1]
    assert len(gallery.strip) == len(alike) == len(scored.worst) > 0
    for row, others, card in zip(scored.worst, alike, gallery.strip, strict=True):
        assert (table["person"].iloc[others] != table["person"].iloc[row]).all()
        in_mask = mask.truth[row] != mask.predicted[row]
        if not in_mask:
            assert (labels["mask"][others] == labels["mask"][row]).all()
        for other, (number, words) in zip(others, card, strict=True):
            assert number == -1  # no photos
            assert (
                " ".join(word for word, _ in words)
                == (CLASSES[scored.truths["class"][other]].split(" ", 0 if in_mask else 1)[-1])
            )
            names = ["mask", "gender", "age"][0 if in_mask else 1 :]
            differ = [bool(labels[name][other] != labels[name][row]) for name in names]
            assert [unlike for _, unlike in words] == differ
    shares = (labels["gender"][alike] != labels["gender"][scored.worst][:, None]).mean(axis=1)
    said = values(gallery.data["facets"]["most alike: other gender"])
    assert said == ["none" if s == 0 else "all" if s == 1 else "some" for s in shares]


def test_a_wrong_label_is_told_as_one_that_no_photo_most_alike_has(tmp_path):
    samples = made_samples(people=40)
    looks = by_looks(samples)
    common = samples["person"][(samples["label"] % 6 == 1).to_numpy().argmax()]  # a man of 30-59
    swapped = samples["person"] == common
    samples.loc[swapped, "label"] += 3  # and now a woman
    right = made_samples(people=40)
    table = made_predictions(right, right=1.0).assign(label=samples["label"])
    write_table(tmp_path / "oof.parquet", table, PREDICTIONS, {"split": "oof"})
    made_features(tmp_path / "features.arrow", samples["image"], looks)
    facts = run_report(tmp_path, tmp_path / "page.html")
    said = [finding.text for finding in find(facts, [])]
    expected = "In 7 wrong answers on gender, none of the photos most alike has the label's: the "
    assert any(sentence.startswith(expected) for sentence in said)


def test_a_run_is_compared_by_features_of_elsewhere_that_are_named(probe, tmp_path):
    run = made_run(tmp_path / "run", made_samples(people=40), tmp_path / "gone")
    assert run_report(run, tmp_path / "run.html").likeness is None
    assert "Map of the people" not in (tmp_path / "run.html").read_text()
    features = str(probe / "features.arrow")
    report(run, tmp_path / "run.html", features=features)
    assert "Map of the people" in (tmp_path / "run.html").read_text()


def test_features_that_are_named_and_of_other_photos_or_none_are_refused(probe, tmp_path):
    other = made_features(tmp_path / "other.arrow", ["train/images/x/normal.jpg"], np.ones((1, 4)))
    page = tmp_path / "page.html"
    with pytest.raises(InputError, match=r"other\.arrow: .* 280 .*, the first is train/images/"):
        run_report(probe, page, features=other)
    with pytest.raises(InputError, match=r"gone\.arrow: no such file"):
        run_report(probe, page, features=tmp_path / "gone.arrow")
    with pytest.raises(InputError, match=r"oof\.parquet: not "):
        run_report(probe, page, features=probe / "oof.parquet")
    assert not page.exists()


def test_stale_features_of_the_folder_itself_make_a_line_and_no_crash(probe, tmp_path):
    samples = made_samples(people=39)
    made_features(probe / "features.arrow", samples["image"], by_looks(samples))
    facts = run_report(probe, tmp_path / "page.html")
    (sentence,) = (each for each in facts.missing if each.startswith("Nobody is compared by looks"))
    assert "features.arrow: " in sentence
    assert facts.likeness is None


def test_without_scikit_learn_there_is_no_map_and_a_line_says_how_to_get_it(
    probe, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    facts = run_report(probe, tmp_path / "page.html")
    assert any("no map of the people: " in each for each in facts.missing)
    assert any("pip install scikit-learn" in each for each in facts.missing)
    assert "most alike" in (tmp_path / "page.html").read_text()


def test_without_persons_nobody_is_compared(probe, tmp_path):
    table = made_predictions(made_samples(people=40)).drop(columns="person")
    write_table(probe / "oof.parquet", table, PREDICTIONS, {"split": "oof"})
    facts = run_report(probe, tmp_path / "page.html")
    assert any("no column tells the person" in each for each in facts.missing)
    assert facts.likeness is None


@pytest.mark.parametrize("attribute", ["mask", "gender", "age"])
def test_a_model_of_one_attribute_has_a_map_too(attribute, probe, tmp_path):
    from mmmask.labels import marginals
    from mmmask.tables import probabilities

    samples = made_samples(people=40)
    table = made_predictions(samples)
    columns = list(prediction_columns(attribute)[1])
    alone = samples[["image", "person", "label"]].copy()
    alone[columns] = marginals(probabilities(table))[attribute]
    definition = ATTRIBUTE_PREDICTIONS[attribute]
    write_table(probe / "oof.parquet", alone, definition, {"split": "oof"})
    facts = run_report(probe, tmp_path / "page.html")
    views = people_on_the_map(facts, facts.scored, facts.likeness).data["views"]
    expected = ["label"] if attribute == "mask" else ["label", "answer", "mistake"]
    assert [view["name"] for view in views] == expected
    for view in views:
        assert len(view["values"]) == len(view["tones"]) > max(view["codes"])
