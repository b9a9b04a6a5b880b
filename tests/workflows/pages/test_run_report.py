import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmmask.datasets.layout import read_train, with_labels
from mmmask.drawing.drawn_faces import draw_dataset
from mmmask.errors import InputError
from mmmask.evaluation.intervals import macro_f1_interval
from mmmask.labels import GENDERS, MASKS, decode
from mmmask.tables import (
    BOXES,
    PREDICTIONS,
    PROBABILITIES,
    answers,
    read_predictions,
    read_provenance,
    write_table,
)
from mmmask.workflows.pages.report import report
from mmmask.workflows.pages.run_folder import RunFolder
from mmmask.workflows.pages.run_report import run_report
from mmmask.workflows.predict import Prediction
from tests.fake_run import made_predictions, made_run, made_samples
from tests.made_ages import certain


@pytest.fixture
def run(tmp_path) -> Path:
    """A run whose photos are nowhere."""
    return made_run(tmp_path / "run", made_samples(), tmp_path / "gone")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("drawn") / "data"
    draw_dataset(root, people=6, eval_people=1, seed=3, size=(48, 64), processes=1)
    return root


def words(path: Path) -> str:
    return path.read_text()


def test_the_page_tells_score_split_seed_code_and_config_of_the_run(run, tmp_path):
    facts = run_report(run, tmp_path / "run.html")
    html = words(tmp_path / "run.html")
    table = read_predictions(run / "val.parquet")
    expected = macro_f1_interval(table["person"], table["label"], [answers(table)])
    assert facts.scored.scores["macro_f1"] == expected
    for told in (
        f"{expected.value:.3f}", f"{expected.low:.3f} to {expected.high:.3f}", "12 people",
        "fold 1 of 5, split seed 0", "commit aaaaaaaaaaaa, with changes",
        "fingerprint ffffffffffff", "best: epoch 3", "macro F1 0.500, epoch 3", "70.5",
        "mobilenet_v2_linear: 84 photos",
        "Its epoch was chosen as the best by these very people: on others expect a lower",
        "Answers are from best_macro_f1_epoch_3.pth.", "seed = 7  # &lt;/script&gt; &amp; all",
    ):  # fmt: skip
        assert told in html, told
    assert facts.curves[""].steps["step"].tolist() == [10, 20, 30]


def test_photos_that_are_not_there_make_a_line_and_no_crash(run, tmp_path, capsys):
    facts = run_report(run, tmp_path / "run.html")
    printed = capsys.readouterr().out
    assert f"macro F1 {facts.scored.scores['macro_f1']}: 95 %" in printed
    assert facts.missing[0] in printed
    assert len(facts.missing) == 1
    assert "none of the 84 photos is there" in facts.missing[0]
    assert "--data-root names the folder" in words(tmp_path / "run.html")
    assert facts.thumbnails.data == ()
    assert "brightness" not in facts.scored.slices


def test_a_data_root_that_was_given_and_has_no_photo_is_refused(run, tmp_path):
    with pytest.raises(InputError, match="none of the 84 photos is there, such as train/images"):
        run_report(run, tmp_path / "run.html", data_root=tmp_path)
    assert not (tmp_path / "run.html").exists()


def test_slices_are_by_age_gender_photo_brightness_face_and_tag(drawn, tmp_path):
    samples = with_labels(read_train(drawn))
    run = made_run(tmp_path / "run", samples, drawn)
    boxes = pd.DataFrame({"image": samples["image"], "width": 48, "height": 64})
    boxes[["x0", "y0", "x1", "y1", "score"]] = 1.0
    boxes.loc[:9, ["x0", "y0", "x1", "y1"]] = np.nan
    write_table(tmp_path / "boxes.parquet", boxes, BOXES)
    (tmp_path / "tags.csv").write_text(f"person,tag\n{samples['person'][0]},glasses\n")
    facts = run_report(
        run, tmp_path / "run.html", cam=0, boxes=tmp_path / "boxes.parquet",
        tags=tmp_path / "tags.csv",
    )  # fmt: skip
    slices = facts.scored.slices
    assert list(slices) == ["age", "year of age", "gender", "photo", "face", "tag", "brightness"]
    sizes = {by: [int(rows.sum()) for rows in each.values()] for by, each in slices.items()}
    assert sizes["face"] == [32, 10]
    assert sizes["tag"] == [7, 35]
    assert sizes["photo"] == [6] * 7
    assert sizes["brightness"] == [14, 14, 14]
    counts = samples.groupby("age").size()
    assert sizes["year of age"] == counts.tolist()
    assert list(slices["year of age"]) == [str(age) for age in counts.index]
    assert list(slices["gender"]) == ["male", "female"]
    assert len(facts.thumbnails.data) == len(facts.scored.images)
    assert len(words(tmp_path / "run.html")) < 2_000_000


def test_a_table_of_boxes_of_other_photos_is_refused(run, tmp_path):
    boxes = pd.DataFrame({"image": ["other.jpg"], "width": 48, "height": 64, "x0": 1.0})
    boxes[["y0", "x1", "y1", "score"]] = 1.0
    write_table(tmp_path / "boxes.csv", boxes, BOXES)
    with pytest.raises(InputError, match=r"boxes\.csv: has none of the 84 photos"):
        run_report(run, tmp_path / "run.html", boxes=tmp_path / "boxes.csv")


def test_a_run_on_everybody_shows_curves_and_card_and_says_so(tmp_path):
    split = {"trained_on": "all"}
    run = made_run(tmp_path / "run", made_samples(), tmp_path, scored=False, split=split)
    (run / "split.csv").unlink()
    facts = run_report(run, tmp_path / "run.html")
    assert facts.scored is None
    assert "nobody is left to score it on" in facts.missing[0]
    html = words(tmp_path / "run.html")
    assert "no photo is scored" in html
    assert "Loss, training" in html
    assert "commit aaaaaaaaaaaa" in html


def test_without_predictions_and_data_there_are_curves_and_a_line(tmp_path):
    run = made_run(tmp_path / "run", made_samples(), tmp_path / "gone", scored=False)
    facts = run_report(run, tmp_path / "run.html")
    assert facts.missing[0].startswith("The people held out are not predicted: ")
    assert "gone: has no train/train.csv; --data-root names the folder" in facts.missing[0]


def test_a_data_root_that_was_given_and_cannot_be_predicted_is_refused(tmp_path):
    run = made_run(tmp_path / "run", made_samples(), tmp_path / "gone", scored=False)
    with pytest.raises(InputError, match=r"has no train/train\.csv"):
        run_report(run, tmp_path / "run.html", data_root=tmp_path / "other")
    assert not (tmp_path / "run.html").exists()


def test_predictions_of_another_checkpoint_or_split_are_not_taken(run):
    folder = RunFolder.at(run)
    assert folder.predictions() == run / "val.parquet"
    stated = read_provenance(run / "val.parquet")
    table = read_predictions(run / "val.parquet")
    write_table(run / "with_tta.parquet", table, PREDICTIONS, {**stated, "tta": ["hflip"]})
    write_table(run / "all.parquet", table, PREDICTIONS, {**stated, "split": "all"})
    (run / "val.parquet").rename(run / "one.parquet")
    assert folder.predictions() == run / "one.parquet"
    (run / "one.parquet").unlink()
    assert folder.predictions() == run / "with_tta.parquet"
    folder.checkpoint.write_bytes(b"trained anew")
    assert folder.predictions() is None


@pytest.mark.parametrize(
    ("session", "told"),
    [
        ({"status": "failed", "error": "OSError: disk full"}, "failed after 2 of 3 epochs: OSErr"),
        ({"status": "diverged", "error": "loss nan"}, "was stopped after 2 of 3 epochs: loss nan."),
        ({"status": "interrupted"}, "was interrupted after 2 of 3 epochs."),
        ({"status": "running"}, "goes on after 2 of 3 epochs."),
    ],
)
def test_a_training_that_did_not_end_is_told(session, told, run, tmp_path):
    card = json.loads((run / "card.json").read_text())
    card["sessions"][-1] |= {**session, "epoch": 2}
    (run / "card.json").write_text(json.dumps(card))
    run_report(run, tmp_path / "run.html")
    assert f"The training {told}" in words(tmp_path / "run.html")


def test_a_kfold_is_scored_out_of_fold_with_the_curves_of_each(tmp_path):
    samples = made_samples(people=15)
    out, tables = tmp_path / "kfold", []
    number = samples["person"].astype("category").cat.codes % 3
    for fold in range(3):
        made_run(out / f"fold_{fold}", samples[number == fold], tmp_path, seed=fold)
        tables.append(read_predictions(out / f"fold_{fold}" / "val.parquet").assign(fold=fold))
    pooled = pd.concat(tables, ignore_index=True)
    members = [{"fold": k, "checkpoint": "epoch_3.pth"} for k in range(3)]
    write_table(out / "oof.parquet", pooled, PREDICTIONS, {"members": members})
    # A split.csv of a fold holds everybody; here each holds its own.
    everybody = pd.concat([pd.read_csv(out / f"fold_{k}/split.csv") for k in range(3)])
    everybody.to_csv(out / "fold_0" / "split.csv", index=False)
    report(out, tmp_path / "kfold.html")
    facts = run_report(out, tmp_path / "kfold.html")
    assert list(facts.curves) == ["fold 0", "fold 1", "fold 2"]
    assert facts.folds["part"].tolist() == [
        "0",
        "1",
        "2",
        "mean of folds",
        "std of folds",
        "out of fold",
    ]
    assert facts.scored.table["age"].notna().all()
    html = words(tmp_path / "kfold.html")
    assert "each of 3 models answers for the people it has not seen" in html
    assert "105 photos of 15 people" in html
    assert "What differs between the runs" in html


def test_out_of_fold_answers_of_no_checkpoint_are_said_to_be_so(run, tmp_path):
    out = tmp_path / "probe"
    out.mkdir()
    stated = {"split": "oof", "checkpoint": None}
    write_table(out / "oof.parquet", read_predictions(run / "val.parquet"), PREDICTIONS, stated)
    run_report(out, tmp_path / "run.html")
    assert "each fold is answered by a model that has not seen it" in words(tmp_path / "run.html")


def test_right_answers_alone_leave_no_errors_to_show(tmp_path):
    samples = made_samples()
    run = made_run(tmp_path / "run", samples, tmp_path)
    stated = read_provenance(run / "val.parquet")
    write_table(run / "val.parquet", made_predictions(samples, right=1.0), PREDICTIONS, stated)
    facts = run_report(run, tmp_path / "run.html")
    assert facts.scored.right.all()
    assert "No answer is wrong." in words(tmp_path / "run.html")
    assert "None: the photos of each person" in words(tmp_path / "run.html")


def test_without_persons_photos_are_resampled_and_the_page_says_so(run, tmp_path):
    stated = read_provenance(run / "val.parquet")
    table = read_predictions(run / "val.parquet").drop(columns="person")
    write_table(run / "val.parquet", table, PREDICTIONS, stated)
    facts = run_report(run, tmp_path / "run.html")
    assert "too narrow: no column tells the person" in words(tmp_path / "run.html")
    assert facts.scored.disagreeing.empty
    assert list(facts.scored.slices) == ["age group", "gender", "photo"]


def test_a_model_of_years_has_a_section_on_ages_also_of_an_older_table(run, tmp_path):
    stated, table = (read(run / "val.parquet") for read in (read_provenance, read_predictions))
    true = made_samples()["age"]  # of the 12 people, as split.csv has them
    table = pd.concat([table, certain(true + np.where(true < 40, 3, -8))], axis=1)
    write_table(run / "val.parquet", table, PREDICTIONS, stated)
    facts = run_report(run, tmp_path / "run.html")
    html = words(tmp_path / "run.html")
    mae = facts.scored.ages.scores["age_mae"].item()
    assert mae == pytest.approx(np.where(true < 40, 3, 8).mean())
    for told in (
        "Ages in years", f"{mae:.1f} <small>", "Predicted age by true age, in years",
        "Bias by true age (photos)", "Bias by age group and gender (photos)",
    ):  # fmt: skip
        assert told in html, told
    assert "Ages are known of" not in html
    some = table.assign(age=true.where(true.index > 6))  # the first person's age is unknown
    write_table(run / "val.parquet", some, PREDICTIONS, stated)
    run_report(run, tmp_path / "some.html")
    assert "Ages are known of 77 of 84 photos." in words(tmp_path / "some.html")


def test_other_models_have_no_section_on_ages(run, tmp_path):
    run_report(run, tmp_path / "run.html")
    assert "Ages in years" not in words(tmp_path / "run.html")


def test_the_hold_out_of_a_run_on_tables_is_predicted_without_a_train_csv(
    run, tmp_path, monkeypatch
):
    (run / "val.parquet").rename(tmp_path / "made.parquet")
    base = Path("configs/mobilenet_v2_linear.py").resolve()
    (run / "config.py").write_text(f'_base_ = ["{base}"]\ndata = dict(table="faces.csv")\n')
    asked = []

    def predict(request):
        asked.append(request.split)
        return Prediction(pd.DataFrame(), tmp_path, tmp_path / "made.parquet")

    monkeypatch.setattr("mmmask.workflows.predict.predict", predict)
    facts = run_report(run, tmp_path / "run.html")
    assert asked == ["val"]
    assert facts.scored is not None


def test_options_of_runs_are_refused_for_a_data_root(drawn, tmp_path):
    with pytest.raises(InputError, match="holds data; --tags is for the page of a run"):
        report(drawn, tmp_path / "x.html", tags="tags.csv")
    with pytest.raises(InputError, match="cam must be"):
        report(made_run(tmp_path / "run", made_samples(), drawn), tmp_path / "x.html", cam=-1)


@pytest.mark.parametrize("attribute", ["mask", "gender", "age"])
def test_a_model_of_one_attribute_has_a_page(attribute, run, tmp_path):
    from mmmask.labels import marginals
    from mmmask.tables import ATTRIBUTE_PREDICTIONS, ATTRIBUTE_PROBABILITIES

    stated = read_provenance(run / "val.parquet")
    table = read_predictions(run / "val.parquet")
    values = marginals(table[list(PROBABILITIES)].to_numpy())[attribute]
    names = list(ATTRIBUTE_PROBABILITIES[attribute])
    alone = pd.concat(
        [table[["image", "person", "label"]], pd.DataFrame(values, columns=names)], axis=1
    )
    write_table(run / "val.parquet", alone, ATTRIBUTE_PREDICTIONS[attribute], stated)
    facts = run_report(run, tmp_path / "run.html")
    assert facts.scored.whole.name == attribute
    assert f"Right {attribute} by gender" in words(tmp_path / "run.html")


def test_photos_that_cannot_be_read_are_told(drawn, tmp_path):
    root = tmp_path / "data"
    shutil.copytree(drawn, root)
    samples = with_labels(read_train(root))
    run = made_run(tmp_path / "run", samples, root)
    (root / samples["image"][3]).unlink()
    (root / samples["image"][5]).write_bytes(b"junk")
    facts = run_report(run, tmp_path / "run.html", cam=0)
    assert facts.missing == (f"1 of 42 photos are not in {root}.",)
    assert int(facts.scored.table["light"].isna().sum()) == 2


@pytest.mark.parametrize("all_known", [True, False])
def test_labels_known_in_part_are_shown_as_far_as_they_go(tmp_path, all_known):
    samples = made_samples(people=20)
    number = samples["person"].str[:3].astype(int) % 4
    mask, gender, _ = decode(samples["label"].to_numpy(dtype=int)).values()
    known = samples[["image", "person"]].assign(
        mask=np.where(number != 0, np.take(MASKS, mask), None),
        gender=np.where((number == 0) | all_known & (number == 1), np.take(GENDERS, gender), None),
        age=samples["age"].astype("Int16").where(number != 3),
    )
    known = with_labels(known)
    table = made_predictions(samples).assign(
        label=known["label"], fits=known["fits"], age=known["age"],
        source=np.where(number == 3, "masks", "others"),
    )  # fmt: skip
    (tmp_path / "kf").mkdir()
    write_table(tmp_path / "kf" / "oof.parquet", table, PREDICTIONS, {"split": "oof"})
    facts = run_report(tmp_path / "kf", tmp_path / "page.html", cam=0)
    html = words(tmp_path / "page.html")
    photos = 35 if all_known else 0
    told = f"Known: mask: 105 photos of 15 people; gender: {35 + photos} photos of "
    assert told in html and f"all three: {photos} photos of {photos // 7} people" in html
    assert "By source; in brackets" in html
    assert ("macro_f1" in facts.scored.scores) == all_known
    no_score = "No photo knows mask, gender and age together, so there is no macro F1."
    assert (no_score in html) != all_known
    contradicted = (~facts.scored.right).sum()
    assert 0 < contradicted < 140 and f"All {contradicted} wrong answers" in html
