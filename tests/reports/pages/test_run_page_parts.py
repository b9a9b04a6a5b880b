import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import precision_recall_fscore_support

from mmmask.datasets.layout import with_labels
from mmmask.evaluation.calibration import reliability
from mmmask.evaluation.scores import scores
from mmmask.evaluation.slices import by_value
from mmmask.labels import AGE_GROUPS, CLASSES, GENDERS, decode
from mmmask.ledger.curves import Curves
from mmmask.reports.pages.run_charts import (
    by_class,
    calibration_table,
    curve_charts,
    matrices,
    reliability_charts,
    slices_of,
)
from mmmask.reports.pages.run_facts import RunFacts, Scored
from mmmask.reports.pages.run_findings import find
from mmmask.reports.pages.run_galleries import errors, people
from mmmask.reports.pages.thumbnails import Thumbnails
from tests.fake_run import STEMS, made_predictions, made_samples


@pytest.fixture(scope="module")
def scored() -> Scored:
    samples = made_samples(people=20)
    table = made_predictions(samples).assign(age=samples["age"].astype(float), light=np.nan)
    gender = decode(table["label"])["gender"]
    slices = {"gender": {name: gender == k for k, name in enumerate(GENDERS)}}
    return Scored(table, slices, "made up.")


@pytest.fixture(scope="module")
def facts(scored) -> RunFacts:
    images = scored.images
    thumbnails = Thumbnails(("x",) * (len(images) + 1), {n: k for k, n in enumerate(images)}, 8)
    first = scored.table["image"].iloc[scored.worst[0]]
    heats = {first: len(images)}
    return RunFacts("run", "config", {}, {}, scored=scored, thumbnails=thumbnails, heats=heats)


def values(column: dict) -> list[str]:
    return [column["values"][code] for code in column["codes"]]


def test_the_table_behind_the_classes_is_that_of_scikit_learn(scored):
    whole = scored.whole
    expected = precision_recall_fscore_support(
        whole.truth, whole.predicted, labels=range(18), zero_division=0
    )
    for k, (name, photos, f1, precision, recall) in enumerate(by_class(whole).table.rows):
        assert name == CLASSES[k]
        found = [precision or 0, recall or 0, f1, photos]
        assert found == pytest.approx([column[k] for column in expected])


def test_matrices_hold_counts_and_row_shares(scored):
    age = next(chart for chart in matrices(scored) if chart.title == "Age")
    parts = (decode(labels)["age"] for labels in (scored.whole.truth, scored.whole.predicted))
    counts = pd.crosstab(*parts).to_numpy()
    for k, row in enumerate(age.table.rows):
        assert row[0] == AGE_GROUPS[k]
        assert row[1:4] == counts[k].tolist()
        assert row[4:] == pytest.approx(counts[k] / counts[k].sum())


def test_reliability_counts_each_photo_once_and_tells_the_error(scored):
    for chart, part in zip(reliability_charts(scored), scored.parts, strict=True):
        assert sum(photos for _, photos, _ in chart.table.rows) == len(scored.table)
        found = reliability(part.probabilities, part.truth, scored.table["person"])
        assert chart.title.endswith(f"ECE {found.ece:.3f} (chance {found.ece_by_chance:.3f})")


def test_the_log_loss_leads_with_its_interval_and_the_error_has_its_yardstick(scored):
    table = calibration_table(scored)
    assert [row[0] for row in table.rows] == ["class", "mask", "gender", "age"]
    assert list(table.columns)[1] == "log loss, nats"
    whole = scored.whole
    loss, found = (
        table.rows[0][1],
        reliability(whole.probabilities, whole.truth, scored.table["person"]),
    )
    assert loss.value == pytest.approx(scores(whole.truth, whole.probabilities)["nll"])
    assert loss.low < loss.value < loss.high
    assert table.rows[0][-2:] == [found.ece, found.ece_by_chance]


def test_errors_are_the_wrong_answers_surest_first_with_evidence_beside(facts, scored):
    gallery = errors(facts, scored)
    rows = scored.worst
    wrong = np.flatnonzero(scored.whole.truth != scored.whole.predicted)
    assert set(rows) == {*wrong}
    assert (np.diff(scored.sure[rows]) <= 0).all()
    assert gallery.pictures["evidence"] == [len(scored.images)] + [-1] * (len(rows) - 1)
    k = int(rows[0])
    data = gallery.data
    assert values(data["lines"]["says"])[0] == (
        f"{CLASSES[scored.whole.predicted[k]]}, {100 * scored.sure[k]:.1f} %"
    )
    assert values(data["lines"]["label"])[0].startswith(CLASSES[scored.whole.truth[k]])
    parts = {part.name: part for part in scored.parts[1:]}
    for row, where in zip(rows, values(data["facets"]["wrong in"]), strict=True):
        names = [n for n, part in parts.items() if part.truth[row] != part.predicted[row]]
        assert where == " and ".join(names)


def test_a_person_stands_with_all_photos_answers_and_label(facts, scored):
    gallery = people(facts, scored)
    data = gallery.data
    assert list(gallery.pictures) == list(STEMS)
    for place, person in enumerate(gallery.titles):
        mine = scored.table.index[scored.table["person"] == person]
        genders = [GENDERS[scored.parts[2].predicted[row]] for row in mine]
        ages = [AGE_GROUPS[scored.parts[3].predicted[row]] for row in mine]
        told = [values(data["captions"][stem])[place] for stem in STEMS]
        assert told == [f"{x}\n{y}" for x, y in zip(genders, ages, strict=True)]
        label = decode(scored.table["label"][mine[0]])
        name = f"{GENDERS[label['gender']]} {AGE_GROUPS[label['age']]}"
        assert values(data["lines"]["label"])[place].startswith(f"{name}, ")
        assert len({*genders}) > 1 or len({*ages}) > 1
        for x, y, stem in zip(genders, ages, STEMS, strict=True):
            wrong = f"{x} {y}" != name
            assert (values(data["marked"][stem])[place] == "bad") == wrong


def test_findings_name_slices_below_the_rest_and_those_alone(scored):
    weak = np.zeros(len(scored.table), bool)
    weak[np.flatnonzero(~scored.right)[:60]] = True  # of ten people or so, all wrong
    other = Scored(scored.table, {"tag": {"weak": weak, "rest": ~weak}}, "")
    facts = RunFacts("run", "", {}, {}, scored=other)
    said = [finding.text for finding in find(facts, slices_of(other))]
    assert any(text.startswith("Tag weak: 0.0 % right on") for text in said)
    assert not any(text.startswith("Tag rest") for text in said)


def test_curves_of_one_run_mark_the_best_epoch_and_many_become_their_range():
    def curves(shift: float) -> Curves:
        steps = pd.DataFrame({"epoch": [1, 1, 2], "step": [5, 10, 20], "loss": [3.0, 2.0, shift]})
        return Curves(steps, pd.DataFrame({"epoch": [1, 2], "macro_f1": [0.3 + shift, 0.3]}))

    charts = {chart.title: chart for chart in curve_charts({"": curves(0.2)})}
    assert "best: epoch 1" in str(charts["Macro F1, validation"].svg)
    assert [row[0] for row in charts["Loss, training"].table.rows] == ["5", "10", "20"]
    three = {f"fold {k}": curves(k / 10) for k in range(3)}
    charts = {chart.title: chart for chart in curve_charts(three)}
    assert charts["Loss, training"].legend == ("fold 0", "fold 1", "fold 2")
    assert charts["Loss, training"].table.rows[0] == ["1", 2.5, 2.5, 2.5]  # mean of the epoch
    ten = {f"fold {k}": curves(k / 10) for k in range(10)}
    score = next(chart for chart in curve_charts(ten) if chart.title == "Macro F1, validation")
    assert score.table.rows[0][1:] == pytest.approx([0.75, 0.3, 1.2])


def test_slices_of_which_no_photo_knows_what_is_predicted_are_left_out():
    known = with_labels(
        pd.DataFrame(
            {"image": ["a.jpg", "b.jpg"], "mask": ["wear", None], "gender": [None, "male"]}
        )
    )
    table = known.assign(person=known["image"], mask_0=1.0, mask_1=0.0, mask_2=0.0)
    slices = {"gender": by_value(known["gender"]), "name": by_value(["a", "b"])}
    found = slices_of(Scored(table, slices, "made up."))
    assert [each.by for each in found] == ["name"]


def test_curves_without_macro_f1_are_of_the_scores_that_are_there():
    steps = pd.DataFrame({"epoch": [1, 2], "step": [5, 10], "loss": [3.0, 2.0]})
    epochs = pd.DataFrame({"epoch": [1, 2], "mask_accuracy": [0.5, 0.7], "age_accuracy": 0.4})
    charts = {chart.title: chart for chart in curve_charts({"": Curves(steps, epochs)})}
    assert list(charts) == ["Right answers, validation", "Loss, training"]
    assert charts["Right answers, validation"].legend == ("mask", "age")
    assert "best" not in str(charts["Right answers, validation"].svg)


def test_photos_of_the_test_set_stand_first(facts, scored):
    assert not [finding for finding in find(facts, []) if "test set" in finding.text]
    table = scored.table.copy()
    table.attrs = {"provenance": {"pseudo_labels": {"count": 9, "from_test_set": 7}}}
    marked = RunFacts("run", "config", {}, {}, scored=Scored(table, scored.slices, "made up."))
    first = find(marked, [])[0]
    assert first.weight == "act"
    assert "was trained on photos of the test set (7 with labels that a model gave" in first.text
