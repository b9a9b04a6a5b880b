import json

import numpy as np
import pandas as pd
import pytest
from simulated_tables import attribute_alone, blind, disturbed, simulated, unlabelled, with_years
from sklearn.metrics import f1_score

from mmmask.errors import InputError
from mmmask.evaluation.decision import decide
from mmmask.evaluation.scores import macro_f1
from mmmask.labels import decode, group_probabilities
from mmmask.ledger.calibrated_people import calibrated_on_people
from mmmask.tables import (
    PREDICTIONS,
    answers,
    probabilities,
    read_predictions,
    read_table,
    years_of,
)
from mmmask.workflows.calibrate import calibrate
from mmmask.workflows.ensemble.combine import VOTES, ensemble
from mmmask.workflows.show_predictions import show_ensemble


def arrays(paths) -> list:
    return [probabilities(read_predictions(path)) for path in paths]


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out" / "ensemble.parquet"


def test_the_soft_vote_is_the_mean(three, out) -> None:
    found = ensemble(three, out=out)
    written = read_table(out, PREDICTIONS)
    np.testing.assert_allclose(probabilities(written), np.mean(arrays(three), axis=0), rtol=1e-5)
    assert written["label"].tolist() == simulated()["label"].tolist()
    pd.testing.assert_frame_equal(written, found.prediction.table, check_like=True)


def test_the_hard_vote_follows_a_loop_and_ties_go_to_the_surest(three, write, out) -> None:
    paths = [*three, write("fourth.parquet", simulated(2.0, seed=9))]
    found = ensemble(paths, vote="hard", out=out)
    tables, ties = arrays(paths), 0
    labels = probabilities(read_table(out, PREDICTIONS)).argmax(axis=1)
    for row, label in enumerate(labels):
        counts = np.bincount([table[row].argmax() for table in tables], minlength=18)
        best = np.flatnonzero(counts == counts.max())
        ties += len(best) > 1
        assert label == max(best, key=lambda k: sum(float(table[row][k]) for table in tables))
    assert found.tied == ties > 0
    assert found.ties_go_to == "the class of highest mean probability"


def test_shares_of_votes_are_what_a_hard_vote_writes(three, out) -> None:
    found = ensemble(three, vote="hard", out=out).prediction.table
    shares = probabilities(found)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    assert np.abs(shares * 3 - np.round(shares * 3)).max() < 0.005


def test_submissions_vote_and_ties_go_to_the_first_in_the_list(tmp_path, out) -> None:
    answers = {
        "best": [1, 2, 3, 4],
        "second": [5, 2, 6, 4],
        "third": [5, 7, 8, 9],
        "last": [1, 7, 6, 3],
    }
    paths = []
    for name, ans in answers.items():
        paths.append(tmp_path / f"{name}.csv")
        pd.DataFrame({"ImageID": list("abcd"), "ans": ans}).to_csv(paths[-1], index=False)
    found = ensemble(paths, vote="hard", out=out)
    assert probabilities(found.prediction.table).argmax(axis=1).tolist() == [1, 2, 6, 4]
    assert found.tied == 2
    assert found.ties_go_to == "what the earlier in the list answer"
    assert found.prediction.table["image"].tolist() == [f"eval/images/{name}" for name in "abcd"]


def test_a_member_votes_for_what_was_decided_on_its_probabilities(three, write, out) -> None:
    decided = [write(f"d{k}.parquet", simulated(seed=k).assign(answer=17)) for k in range(2)]
    found = ensemble([three[0], *decided], vote="hard", out=out)
    assert (probabilities(found.prediction.table).argmax(axis=1) == 17).all()
    assert "answer" not in found.prediction.table
    assert found.agreement["class"][1, 2] == 1
    soft = ensemble([three[0], *decided], out=out).prediction.table
    expected = np.mean(arrays([three[0], *decided]), axis=0)
    np.testing.assert_allclose(probabilities(soft), expected, rtol=1e-5)


def test_submissions_and_calibrated_ones_take_no_part_in_other_votes(three, tmp_path, out) -> None:
    path = tmp_path / "s.csv"
    pd.DataFrame({"ImageID": ["a"], "ans": [1]}).to_csv(path, index=False)
    for vote in ("soft", "weighted", "stack"):
        with pytest.raises(InputError, match="is a submission, answers without probabilities"):
            ensemble([path], vote=vote, out=out)
    with pytest.raises(InputError, match="is a submission"):
        ensemble([path], vote="hard", calibrations=[tmp_path / "c.json"], out=out)
    assert not out.exists()


@pytest.mark.parametrize("vote", VOTES)
def test_the_order_of_the_members_does_not_matter(three, out, vote) -> None:
    one = ensemble(three, vote=vote, out=out).prediction.table
    other = ensemble(three[::-1], vote=vote, out=out).prediction.table
    np.testing.assert_allclose(probabilities(one), probabilities(other), atol=2e-3)


@pytest.mark.parametrize("vote", ["soft", "weighted"])
def test_copies_of_one_member_are_that_member(write, out, vote) -> None:
    paths = [write(f"{k}.parquet", simulated()) for k in range(2)]
    found = ensemble(paths, vote=vote, out=out)
    np.testing.assert_allclose(probabilities(found.prediction.table), arrays(paths)[0], rtol=1e-5)
    assert np.array_equal(found.agreement["class"], np.ones((2, 2)))
    assert found.members["helps"][0] == 0


@pytest.mark.parametrize("vote", ["weighted", "stack"])
def test_without_oof_each_person_is_predicted_by_a_fit_on_others(write, vote, out) -> None:
    """Changing the labels of one person changes nothing in that person's predictions."""
    fold = np.repeat(np.arange(40) % 4, 7)
    tables = [simulated(skill, seed=k).assign(fold=fold) for k, skill in enumerate((1.5, 2.5))]
    found = {}
    for name in ("as they are", "changed"):
        if name == "changed":
            for table in tables:
                table.loc[:6, "label"] = (table.loc[:6, "label"] + 7) % 18
        paths = [write(f"{name}_{k}.parquet", table) for k, table in enumerate(tables)]
        found[name] = probabilities(ensemble(paths, vote=vote, out=out).prediction.table)
    changed = np.abs(found["changed"] - found["as they are"]).max(axis=1)
    assert changed[fold == 0].max() == 0
    assert changed[fold != 0].max() > 0


@pytest.mark.parametrize("vote", ["weighted", "stack"])
def test_what_was_found_out_of_fold_is_applied_to_other_photos(write, vote, out) -> None:
    table = simulated(2.5, people=60)
    evidence, others = [], []
    for name, one in {"good": table, "blind": blind(table)}.items():
        photos = unlabelled(one[280:].reset_index(drop=True))
        evidence.append(write(f"oof_{name}.parquet", one[:280]))
        others.append(write(f"{name}.parquet", photos, split="eval", data_fingerprint="e"))
    found = ensemble(others, vote=vote, oof=evidence, out=out)
    truth = table["label"][280:].to_numpy()
    predicted = probabilities(found.prediction.table).argmax(axis=1)
    plain = np.mean(arrays(others), axis=0).argmax(axis=1)
    assert "label" not in found.prediction.table
    assert macro_f1(truth, predicted) > macro_f1(truth, plain) + 0.1
    assert found.gain is not None and found.gain.difference.low > 0.02
    assert found.photos == 280 and found.people == 40
    if vote == "weighted":
        weights = found.prediction.table.attrs["provenance"]["weights"]
        assert weights == found.members["weight"][:2].tolist()
        expected = sum(w * table for w, table in zip(weights, arrays(others), strict=True))
        np.testing.assert_allclose(probabilities(found.prediction.table), expected, rtol=1e-4)


@pytest.mark.parametrize("vote", ["weighted", "stack"])
def test_photos_of_the_fit_are_not_answered_by_it(write, vote, out) -> None:
    table = simulated(2.5)
    paths = [write(f"{name}.parquet", one) for name, one in (("a", table), ("b", blind(table)))]
    with pytest.raises(InputError, match=r"a\.parquet: --oof holds 280 of its photos, such as "):
        ensemble(paths, vote=vote, oof=paths, out=out)
    assert not out.exists()
    ensemble(paths, vote="soft", oof=paths, out=out)  # nothing is fitted


def test_a_gain_on_noise_is_imagined_and_not_there_on_other_people(write, tmp_path) -> None:
    """Of members that know nothing, whoever fits a vote to people believes that it helped."""
    gains = {"weighted": [], "stack": []}
    for repeat in range(3):
        nothing = blind(simulated(2.0, seed=repeat))
        tables = [disturbed(nothing, 2.0, 10 * repeat + k) for k in range(4)]
        paths = [write(f"{repeat}_{k}.parquet", table) for k, table in enumerate(tables)]
        for vote, found in gains.items():
            found.append(ensemble(paths, vote=vote, out=tmp_path / "noise.parquet").gain)
    assert not any(gain.difference.low > 0 for found in gains.values() for gain in found)
    plain, held_out, seen = np.mean([gain.log_loss for gain in gains["weighted"]], axis=0)
    assert seen < plain < held_out
    imagined = np.mean([gain.in_sample for gain in gains["stack"]])
    honest = np.mean([gain.difference.value for gain in gains["stack"]])
    assert imagined > 0.01 > 0 > honest


def test_weights_and_stacks_need_labels_of_people_held_out(write, out) -> None:
    table = unlabelled(simulated())
    nameless = write("blind.parquet", table)
    with pytest.raises(InputError, match="label is missing; weights and stacks are found on pred"):
        ensemble([nameless], vote="weighted", out=out)
    known = write("known.parquet", simulated(), split="train")
    with pytest.raises(InputError, match=r"has learned from these people \(split train\)"):
        ensemble([known], vote="stack", out=out)
    alone = write("alone.parquet", simulated().iloc[:7])
    with pytest.raises(InputError, match="needs photos of at least two people; got one"):
        ensemble([alone], vote="weighted", out=out)
    assert not out.exists()


@pytest.mark.parametrize(
    ("stated", "sentence"),
    [
        (
            {"preprocessing": {"size": [1, 1]}},
            "were made with another preprocessing than its --oof",
        ),
        ({"old_from": 58}, "have another age cut (old_from) than its --oof"),
        ({"tta": ["flip"]}, "were averaged over other views (tta) than its --oof"),
    ],
)
def test_out_of_fold_predictions_of_another_kind_are_refused(write, out, stated, sentence) -> None:
    own = {"preprocessing": {"size": [2, 2]}}
    path = write("eval.parquet", unlabelled(simulated()), **own)
    oof = write("oof.parquet", simulated(), **{**own, **stated})
    with pytest.raises(InputError) as caught:
        ensemble([path], vote="weighted", oof=[oof], out=out)
    assert sentence in str(caught.value)


def test_out_of_fold_predictions_in_another_order_are_refused(write, out) -> None:
    hashes = ({"checkpoint_hash": "a"}, {"members": [{"checkpoint_hash": "b", "fold": 0}]})
    paths = [write(f"{k}.parquet", unlabelled(simulated()), **one) for k, one in enumerate(hashes)]
    oof = [write(f"oof_{k}.parquet", simulated(), **one) for k, one in enumerate(hashes)]
    ensemble(paths, vote="weighted", oof=oof, out=out)
    with pytest.raises(InputError, match=r"is of the model of .*1.parquet, not of .*0.parquet"):
        ensemble(paths, vote="weighted", oof=oof[::-1], out=out)
    with pytest.raises(InputError, match="one table for each of the 2 members, in their order"):
        ensemble(paths, vote="weighted", oof=oof[:1], out=out)


def test_years_are_averaged_and_the_cut_can_still_move(write, out) -> None:
    paths = [write(f"{k}.parquet", with_years(simulated(seed=k))) for k in range(2)]
    ensemble(paths, out=out)
    plain = read_predictions(out)
    expected = np.mean([years_of(read_predictions(path)) for path in paths], axis=0)
    np.testing.assert_allclose(years_of(plain), expected, rtol=1e-5)
    ensemble(paths, out=out, old_from=57)
    moved = read_predictions(out)
    assert moved.attrs["provenance"]["old_from"] == 57
    ages = probabilities(moved).reshape(-1, 6, 3).sum(axis=1)
    np.testing.assert_allclose(ages, group_probabilities(years_of(moved), (30, 57)), atol=1e-5)
    without = write("without.parquet", simulated())
    assert years_of(ensemble([*paths, without], out=out).prediction.table) is None
    assert years_of(ensemble(paths, vote="hard", out=out).prediction.table) is None


@pytest.mark.parametrize("vote", VOTES)
def test_models_of_one_attribute_vote_among_themselves(write, out, vote) -> None:
    tables = [attribute_alone(simulated(skill, seed=k), "age") for k, skill in enumerate((2, 3))]
    paths = [write(f"{k}.parquet", table) for k, table in enumerate(tables)]
    found = ensemble(paths, vote=vote, out=out)
    values = probabilities(read_predictions(out))
    assert values.shape[1] == 3
    truth = decode(tables[0]["label"].to_numpy())["age"]
    score = f1_score(truth, values.argmax(axis=1), average="macro")
    assert found.members["macro_f1"].iloc[-1] == pytest.approx(score)
    assert list(found.agreement) == ["class"]


def test_members_of_different_classes_are_refused(three, write, out) -> None:
    mask = write("mask.parquet", attribute_alone(simulated(), "mask"))
    with pytest.raises(InputError, match="are multiplied by --compose"):
        ensemble([*three, mask], out=out)


def test_a_single_member_is_its_own_ensemble(three, out) -> None:
    found = ensemble(three[:1], out=out)
    np.testing.assert_allclose(probabilities(found.prediction.table), arrays(three)[0], rtol=1e-6)
    assert "helps" not in found.members


def test_calibrated_members_are_decided_for_macro_f1(three, tmp_path, out) -> None:
    files = [tmp_path / f"{path.stem}.json" for path in three]
    for path, file in zip(three, files, strict=True):
        calibrate(path, file)
    found = ensemble(three, calibrations=files, decision="macro-f1", out=out).prediction.table
    expected = decide(probabilities(found))
    assert (expected != probabilities(found).argmax(axis=1)).any()
    np.testing.assert_array_equal(answers(read_predictions(out)), expected)
    assert read_predictions(out).attrs["provenance"]["decision"] == "macro-f1"
    stacked = ensemble(three, vote="stack", decision="macro-f1", out=out).prediction.table
    np.testing.assert_array_equal(answers(stacked), decide(probabilities(stacked)))


def test_members_are_shown_before_they_are_decided(three, tmp_path, out, capsys) -> None:
    files = [tmp_path / f"{path.stem}.json" for path in three]
    for path, file in zip(three, files, strict=True):
        calibrate(path, file)
    for decision, said in (("argmax", False), ("macro-f1", True)):
        show_ensemble(ensemble(three, calibrations=files, decision=decision, out=out))
        assert ("before they are decided" in capsys.readouterr().out) is said


def test_members_judged_on_the_people_of_their_calibrations_say_so(three, tmp_path, out) -> None:
    files = [tmp_path / f"{path.stem}.json" for path in three]
    for path, file in zip(three, files, strict=True):
        calibrate(path, file)
    found = ensemble(three, calibrations=files, oof=three, out=out)
    for stated in (found.judged, found.prediction.table.attrs["provenance"]):
        assert "fitted on these very people" in str(calibrated_on_people(stated))
    assert not ensemble(three, calibrations=files, out=out).judged


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"decision": "macro-f1"}, r"needs calibrated probabilities, and those of .*weak\.parquet"),
        ({"decision": "macro-f1", "vote": "hard"}, "needs probabilities, and --vote hard counts"),
        ({"decision": "best"}, "--decision must be one of macro-f1, argmax; got 'best'"),
    ],
)
def test_what_cannot_be_decided_is_refused(three, out, options, sentence) -> None:
    with pytest.raises(InputError, match=sentence):
        ensemble(three, out=out, **options)
    assert not out.exists()


def test_a_stack_of_one_attribute_is_not_decided(write, out) -> None:
    path = write("mask.parquet", attribute_alone(simulated(), "mask"))
    with pytest.raises(InputError, match=r"18 classes, but .*mask\.parquet predicts mask alone"):
        ensemble([path], vote="stack", decision="macro-f1", out=out)


def test_the_provenance_names_members_vote_and_weights(three, out) -> None:
    ensemble(three, vote="weighted", out=out)
    stated = read_predictions(out).attrs["provenance"]
    assert stated["vote"] == "weighted"
    assert [len(member["hash"]) for member in stated["members"]] == [64, 64, 64]
    assert stated["members"][0]["provenance"]["data_fingerprint"] == "one"
    assert stated["split"] == "oof" and stated["old_from"] == 60
    assert sum(stated["weights"]) == pytest.approx(1)
    assert np.shape(stated["weights_by_part"]) == (5, 3)
    assert json.dumps(stated)


def test_an_ensemble_is_a_member_of_the_next(three, write, tmp_path, out) -> None:
    first = tmp_path / "first.parquet"
    ensemble(three[:2], out=first)
    found = ensemble([first, three[2]], out=out).prediction.table
    one, two, three_ = arrays(three)
    np.testing.assert_allclose(probabilities(found), ((one + two) / 2 + three_) / 2, rtol=1e-4)


def test_beyond_enough_photos_people_are_drawn_to_learn_from(three, out, monkeypatch) -> None:
    everybody = ensemble(three, vote="weighted", out=out).members["weight"][:3]
    monkeypatch.setattr("mmmask.workflows.ensemble.fitted_votes.ENOUGH", 140)
    half = ensemble(three, vote="weighted", out=out).members["weight"][:3]
    assert not np.allclose(half, everybody)
    np.testing.assert_allclose(half, everybody, atol=0.15)


def test_a_submission_that_cannot_be_is_refused_before_anything_is_written(
    three, out, tmp_path
) -> None:
    options = {"submission": tmp_path / "s.csv", "data_root": tmp_path / "data"}
    with pytest.raises(InputError, match=r"info\.csv: no such file; a submission has its order"):
        ensemble(three, out=out, **options)
    info = tmp_path / "data/eval/info.csv"
    info.parent.mkdir(parents=True)
    info.write_text("ImageID,ans\nnobody.jpg,0\n")
    with pytest.raises(InputError, match=r"have no prediction|more than one prediction"):
        ensemble(three, out=out, **options)
    with pytest.raises(InputError, match=r"a table must end in \.parquet or \.csv; got \.txt"):
        ensemble(three, out=tmp_path / "out.txt")
    assert not out.exists()
    assert not (tmp_path / "s.csv").exists()
