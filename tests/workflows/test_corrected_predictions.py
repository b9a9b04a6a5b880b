from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmmask.errors import InputError
from mmmask.evaluation.calibrated_tables import with_probabilities
from mmmask.evaluation.scores import macro_f1
from mmmask.labels import group_probabilities, marginals
from mmmask.ledger.provenance import file_hash
from mmmask.reports.shift_report import plot_shares, print_outcome, print_simulation
from mmmask.tables import (
    ATTRIBUTE_PREDICTIONS,
    PREDICTIONS,
    SHARES,
    answers,
    probabilities,
    read_predictions,
    read_table,
    write_table,
    year_columns,
    years_of,
)
from mmmask.workflows import prior_shift
from mmmask.workflows.ensemble.combine import ensemble
from mmmask.workflows.prior_shift import (
    check_models,
    correct,
    models_of,
    read_prior,
    simulate_shifts,
)
from tests.simulated_people import SHIFTED, simulate_people, table_of

STATED = {"old_from": 60, "preprocessing": {"size": [64, 48]}, "tta": []}
PRIOR = "of,value,share\ngender,male,0.61\ngender,female,0.39\n"
AGES = "age,<30,0.42\nage,30-59,0.27\nage,>=60,0.31\n"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Out-of-fold predictions, and predictions of people with other shares."""
    folder = tmp_path_factory.mktemp("predictions")
    tables = {
        "oof": table_of(*simulate_people(300)),
        "shifted": table_of(*simulate_people(200, SHIFTED, seed=1), "eval"),
    }
    for name, table in tables.items():
        split = "oof" if name == "oof" else "eval"
        write_table(folder / f"{name}.parquet", table, PREDICTIONS, {**STATED, "split": split})
    return folder


def corrected(files, tmp_path, **options):
    options = {"resamples": 8, **options}
    return correct(
        files / "shifted.parquet", files / "oof.parquet", out=tmp_path / "out.parquet", **options
    )


@pytest.fixture(scope="module")
def outcome(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("outcome")
    return folder, corrected(files, folder, shares=folder / "shares.csv")


def score(table) -> float:
    return macro_f1(table["label"].to_numpy(dtype=int), answers(table))


def test_a_planted_shift_is_corrected_and_the_file_tells_how(files, outcome) -> None:
    folder, found = outcome
    before = read_predictions(files / "shifted.parquet")
    after = read_predictions(folder / "out.parquet")
    assert score(after) > score(before) + 0.01
    assert (answers(after) != probabilities(after).argmax(axis=1)).any()
    stated = after.attrs["provenance"]
    assert stated["shift"]["corrected"] is True
    assert stated["shift"]["expected_gain"] == found.choice.gain
    assert stated["shift"]["decision"] == "macro-f1"
    assert stated["corrected_from"]["hash"] == file_hash(files / "shifted.parquet")
    assert stated["out_of_fold"]["hash"] == file_hash(files / "oof.parquet")
    assert stated["preprocessing"] == STATED["preprocessing"]
    assert after["image"].tolist() == before["image"].tolist()


def test_what_is_printed_and_plotted_tells_shares_and_what_was_done(outcome, capsys) -> None:
    folder, found = outcome
    print_outcome(found)
    text = capsys.readouterr().out
    old = found.shares.set_index(["of", "value"]).loc[("age", ">=60")]
    assert f"{100 * old.share:.0f} [{100 * old.low:.0f}, {100 * old.high:.0f}]" in text
    assert f"expected to gain {found.choice.gain:+.3f} macro F1" in text
    assert "corrected for the estimated shares; answers: decided for macro F1" in text
    plot_shares(found, folder / "shares.png")
    assert (folder / "shares.png").read_bytes().startswith(b"\x89PNG")


def test_without_enough_to_gain_every_number_stays_as_it_was(files, tmp_path, capsys) -> None:
    found = corrected(files, tmp_path, caution=100)
    assert not found.choice.corrects
    before, after = (
        read_predictions(path) for path in (files / "shifted.parquet", tmp_path / "out.parquet")
    )
    pd.testing.assert_frame_equal(before, after)
    assert after.attrs["provenance"]["shift"]["corrected"] is False
    assert "gain" in after.attrs["provenance"]["shift"]["reason"]
    print_outcome(found)
    assert "nothing changed:" in capsys.readouterr().out


def test_other_photos_than_those_out_of_fold_are_left_alone(files, tmp_path) -> None:
    labels, p, person = simulate_people(200, SHIFTED, seed=1)
    blurred = p**0.3 / (p**0.3).sum(axis=1, keepdims=True)
    write_table(
        tmp_path / "blurred.parquet", table_of(labels, blurred, person, "eval"), PREDICTIONS, STATED
    )
    found = correct(
        tmp_path / "blurred.parquet",
        files / "oof.parquet",
        out=tmp_path / "out.parquet",
        resamples=8,
    )
    assert not found.choice.corrects
    assert "more than the shares differs: the model is" in found.choice.reason


def test_the_written_shares_are_read_as_known_ones(files, outcome, tmp_path) -> None:
    folder, found = outcome
    shares = read_table(folder / "shares.csv", SHARES)
    assert shares["of"].value_counts().to_dict() == {"class": 18, "mask": 3, "age": 3, "gender": 2}
    known = corrected(files, tmp_path, prior=folder / "shares.csv")
    assert known.choice.known
    expected = found.table.attrs["provenance"]["shift"]["shares"]
    np.testing.assert_allclose(known.table.attrs["provenance"]["shift"]["shares"], expected)


def test_a_known_prior_is_taken_as_it_is(files, tmp_path) -> None:
    (tmp_path / "prior.csv").write_text(PRIOR + AGES)
    found = corrected(files, tmp_path, prior=tmp_path / "prior.csv", decision="argmax")
    shares = marginals(np.array(found.table.attrs["provenance"]["shift"]["shares"])[None])
    np.testing.assert_allclose(shares["age"][0], [0.42, 0.27, 0.31], atol=1e-6)
    np.testing.assert_allclose(shares["gender"][0], [0.61, 0.39], atol=1e-6)
    assert "answer" not in found.table
    mean = marginals(probabilities(found.table).mean(axis=0)[None])["age"][0]
    assert abs(mean[2] - 0.31) < 0.06


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("of,value,share\ngender,male,1\n", "values of gender must be male, female, one each"),
        (PRIOR + "gender,male,0.6\n", "values of gender must be male, female, one each"),
        (PRIOR.replace("0.61", "0.8"), "shares of gender must sum to 1"),
        (PRIOR.replace("0.61", "x"), "line 2: share must be from 0 to 1; got 'x'"),
        (PRIOR.replace("gender", "sex"), "of must be one of class, mask, gender, age"),
        ("of,value,share\n", "holds no shares"),
        ("of,value\n", "column share is missing"),
    ],
)
def test_shares_that_are_none_are_refused(tmp_path, text, sentence) -> None:
    (tmp_path / "prior.csv").write_text(text)
    with pytest.raises(InputError, match=rf"prior\.csv.*{sentence}"):
        read_prior(tmp_path / "prior.csv", np.full(18, 1 / 18))


def test_years_keep_step_with_the_corrected_ages(files, tmp_path) -> None:
    table = read_predictions(files / "shifted.parquet")
    ages = marginals(probabilities(table))["age"]
    years = np.zeros((len(table), 121))
    years[:, [20, 45, 65, 70]] = ages[:, [0, 1, 2, 2]] * [1, 1, 0.4, 0.6]
    with_years = pd.concat([table, year_columns(years)], axis=1)
    write_table(tmp_path / "years.parquet", with_years, PREDICTIONS, STATED)
    found = correct(
        tmp_path / "years.parquet", files / "oof.parquet", out=tmp_path / "o.parquet", resamples=8
    )
    assert found.choice.corrects
    moved = read_predictions(tmp_path / "o.parquet")
    after = marginals(probabilities(moved))["age"]
    np.testing.assert_allclose(group_probabilities(years_of(moved)), after, atol=1e-5)
    assert np.abs(after - ages).max() > 0.1


def test_the_models_behind_a_mean_take_its_place(files, tmp_path) -> None:
    table = read_predictions(files / "shifted.parquet")
    names = list(table.filter(regex=r"^p\d\d$"))
    members = []
    for fold, power in enumerate((0.8, 1.2)):
        p = probabilities(table) ** power
        one = table.assign(**dict(zip(names, (p / p.sum(axis=1, keepdims=True)).T, strict=True)))
        path = tmp_path / f"fold_{fold}.parquet"
        write_table(path, one.sample(frac=1, random_state=fold), PREDICTIONS, STATED)
        members.append({"fold": fold, "path": str(path), "hash": file_hash(path)})
    mean = tmp_path / "mean.parquet"
    write_table(mean, table, PREDICTIONS, {**STATED, "members": members, "split": "eval"})
    options = {"out": tmp_path / "out.parquet", "resamples": 4}
    found = correct(mean, files / "oof.parquet", **options)
    assert found.notes == ("the predictions of 2 models are calibrated each, then averaged",)
    (tmp_path / "fold_1.parquet").unlink()
    found = correct(mean, files / "oof.parquet", **options)
    assert "are a mean of 2 models, and those of" in found.notes[0]


@pytest.fixture
def models(tmp_path):
    """Return a function that writes predictions of a model, or of the folds of a k-fold."""

    def write(name, table, *checkpoints, **stated) -> Path:
        members = [{"fold": k, "checkpoint_hash": one} for k, one in enumerate(checkpoints)]
        path = tmp_path / f"{name}.parquet"
        write_table(path, table, PREDICTIONS, {**STATED, "members": members, **stated})
        return path

    return write


def test_a_weighted_vote_is_corrected_as_it_is(files, models, tmp_path) -> None:
    of = {name: read_predictions(files / f"{name}.parquet") for name in ("oof", "shifted")}
    voted = {}
    for split, table in of.items():
        values = probabilities(table)
        flat = with_probabilities(table, values**0.3 / (values**0.3).sum(axis=1, keepdims=True))
        flat.attrs = {}
        paths = [models(f"{split}_{k}", t, f"{k}") for k, t in enumerate((table, flat))]
        voted[split] = tmp_path / f"{split}.parquet"
        oof = () if split == "oof" else (tmp_path / "oof_0.parquet", tmp_path / "oof_1.parquet")
        ensemble(paths, vote="weighted", oof=oof, out=voted[split])
    found = correct(
        voted["shifted"], voted["oof"], out=tmp_path / "o.parquet", prior=None, resamples=4
    )
    table = read_predictions(voted["shifted"])
    assert len(table.attrs["provenance"]["members"]) == 2
    (given,), notes = models_of(table)
    np.testing.assert_array_equal(given, probabilities(table))
    assert notes == found.notes
    assert "are a weighted vote of means of folds, and corrected as they are" in notes[0]


@pytest.mark.parametrize(
    ("stated", "of_oof", "words"),
    [
        ({"vote": "soft"}, {"members": [{"checkpoint_hash": "a"}]}, "a soft vote of 2 models"),
        ({"vote": "soft"}, {"vote": "weighted"}, "is a weighted vote of 2 models"),
        ({"vote": "soft"}, {"vote": "soft", "members": [{"checkpoint_hash": "a"}]}, "of 1 model;"),
        ({}, {"members": [{"checkpoint_hash": "c"}]}, "is of 2 models, and --oof"),
        ({"composed_of": []}, {}, "is a product of attributes of 2 models"),
    ],
)
def test_out_of_fold_predictions_of_others_are_refused(
    files, models, tmp_path, stated, of_oof, words
) -> None:
    table = read_predictions(files / "shifted.parquet")
    given = models("given", table, "a", "b", **stated)
    oof = models("other", read_predictions(files / "oof.parquet"), "a", "b", **of_oof)
    with pytest.raises(InputError, match=words) as caught:
        correct(given, oof, out=tmp_path / "o.parquet", resamples=4)
    assert str(given) in str(caught.value)
    assert str(oof) in str(caught.value)
    assert not (tmp_path / "o.parquet").exists()


def test_a_model_of_everybody_goes_with_folds_of_the_same_network(files) -> None:
    labelled, table = (read_predictions(files / f"{one}.parquet") for one in ("oof", "shifted"))
    labelled.attrs = {"provenance": {"checkpoint_hash": "a", "config": "head = dict(scale=16)"}}
    stated = {"checkpoint_hash": "b", "config": "head = dict(scale=16)\nrandomness = dict(seed=1)"}
    table.attrs = {"provenance": stated}
    check_models(labelled, "oof", table, "given")
    table.attrs = {"provenance": {**stated, "config": "head = dict(scale=8)"}}
    with pytest.raises(InputError, match="given: is of 1 model, and --oof oof is of 1 model;"):
        check_models(labelled, "oof", table, "given")


def test_without_people_photos_stand_for_them_and_it_says_so(files, tmp_path) -> None:
    table = read_predictions(files / "oof.parquet").drop(columns="person")
    write_table(tmp_path / "oof.parquet", table.iloc[::7], PREDICTIONS, STATED)
    found = correct(
        files / "shifted.parquet",
        tmp_path / "oof.parquet",
        out=tmp_path / "out.parquet",
        resamples=8,
    )
    assert "tells no people: photos stand for people" in found.notes[0]


def test_the_submission_has_the_answers_of_the_decision(files, tmp_path) -> None:
    table = read_predictions(files / "shifted.parquet")
    names = table["image"].str.split("/").str[-1]
    folder = tmp_path / "data/eval"
    folder.mkdir(parents=True)
    pd.DataFrame({"ImageID": names[::-1], "ans": 0}).to_csv(folder / "info.csv", index=False)
    options = {"submission": tmp_path / "submission.csv", "data_root": tmp_path / "data"}
    found = corrected(files, tmp_path, **options)
    submission = pd.read_csv(tmp_path / "submission.csv")
    assert submission["ImageID"].tolist() == names[::-1].tolist()
    assert submission["ans"].tolist() == answers(found.table)[::-1].tolist()
    assert submission["ans"].tolist() != probabilities(found.table).argmax(axis=1)[::-1].tolist()


def test_corrected_predictions_are_not_corrected_again(files, outcome, tmp_path) -> None:
    with pytest.raises(InputError, match="is calibrated already"):
        correct(outcome[0] / "out.parquet", files / "oof.parquet", out=tmp_path / "o.parquet")
    with pytest.raises(InputError, match="is calibrated already"):
        correct(files / "shifted.parquet", outcome[0] / "out.parquet", out=tmp_path / "o.parquet")
    assert not (tmp_path / "o.parquet").exists()


def test_predictions_made_otherwise_are_refused(files, tmp_path) -> None:
    table = read_predictions(files / "shifted.parquet")
    write_table(tmp_path / "p.parquet", table, PREDICTIONS, {**STATED, "old_from": 58})
    with pytest.raises(InputError, match=r"have another age cut \(old_from\) than those"):
        correct(tmp_path / "p.parquet", files / "oof.parquet", out=tmp_path / "o.parquet")


def test_a_model_of_one_attribute_is_refused(files, tmp_path) -> None:
    table = read_predictions(files / "shifted.parquet")
    ages = pd.DataFrame(marginals(probabilities(table))["age"], columns=["age_0", "age_1", "age_2"])
    path = tmp_path / "age.parquet"
    write_table(path, pd.concat([table[["image"]], ages], axis=1), ATTRIBUTE_PREDICTIONS["age"])
    with pytest.raises(InputError, match="predicts age alone, and the 18 classes are needed"):
        correct(path, files / "oof.parquet", out=tmp_path / "o.parquet")


def test_an_unknown_decision_is_refused(files, tmp_path) -> None:
    with pytest.raises(InputError, match="--decision must be one of macro-f1, argmax; got 'best'"):
        corrected(files, tmp_path, decision="best")


@pytest.mark.parametrize("rule", ["macro-f1", "argmax"])
def test_simulated_shifts_are_measured_on_labelled_predictions(
    files, tmp_path, capsys, rule
) -> None:
    options = {"decision": rule, "resamples": 5, "people": 60}
    found = simulate_shifts(files / "oof.parquet", tmp_path, repeats=2, caution=0.0, **options)
    again = simulate_shifts(
        files / "oof.parquet", tmp_path / "again", repeats=1, caution=100.0, **options
    )
    assert found["always"][0] == again["always"][0] != 0
    assert not again["corrected"].any()
    written = pd.read_csv(tmp_path / "simulated.csv")
    np.testing.assert_allclose(written["gain"], found["gain"], atol=1e-5)
    assert (tmp_path / "simulated.png").read_bytes().startswith(b"\x89PNG")
    print_simulation(found)
    text = capsys.readouterr().out
    for name in ("competition", "given up", "promised", "│ em", "the same, always"):
        assert name in text


@pytest.mark.parametrize("caution", [-1.0, float("nan"), float("inf")])
def test_a_caution_that_is_none_is_refused(files, tmp_path, caution) -> None:
    with pytest.raises(InputError, match="--caution must be a number from 0; got"):
        corrected(files, tmp_path, caution=caution)
    with pytest.raises(InputError, match="--caution must be a number from 0; got"):
        simulate_shifts(files / "oof.parquet", tmp_path, repeats=1, caution=caution)


def test_shifts_are_not_simulated_without_people(files, tmp_path) -> None:
    table = read_predictions(files / "oof.parquet").drop(columns="person")
    write_table(tmp_path / "oof.parquet", table, PREDICTIONS, STATED)
    with pytest.raises(InputError, match="column person is needed to simulate shifts"):
        simulate_shifts(tmp_path / "oof.parquet", tmp_path, repeats=1)


def test_wrong_outputs_and_shares_are_refused_before_work(files, tmp_path, monkeypatch) -> None:
    def work(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(prior_shift, "estimate_shift", work)
    monkeypatch.setattr(prior_shift, "learn", work)
    (tmp_path / "prior.csv").write_text("of,value\n")
    info = tmp_path / "data/eval/info.csv"
    submission = {"submission": tmp_path / "s.csv", "data_root": tmp_path / "data"}
    for wrong, sentence in (
        ({"out": tmp_path / "y.txt"}, r"y\.txt: a table must end in \.parquet or \.csv; got \.txt"),
        ({"shares": tmp_path / "s"}, "a table must end in"),
        ({"prior": tmp_path / "none.csv"}, "no such file"),
        ({"prior": tmp_path / "prior.csv"}, "column share is missing"),
        (submission, r"info\.csv: no such file; .* --data-root names the folder"),
        ({**submission, "submission": tmp_path / "s.txt"}, "a submission must end in .csv"),
    ):
        options = {"out": tmp_path / "o.parquet", **wrong}
        with pytest.raises(InputError, match=sentence):
            correct(files / "shifted.parquet", files / "oof.parquet", **options)
    info.parent.mkdir(parents=True)
    info.write_text("ImageID,ans\nnobody.jpg,0\n")
    with pytest.raises(InputError, match=r"1 photos of info\.csv have no prediction"):
        corrected(files, tmp_path, **submission)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "prior.csv"]
