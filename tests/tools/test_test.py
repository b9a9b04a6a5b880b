import hashlib
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from mmmask.datasets.layout import read_train, with_labels
from mmmask.evaluation.decision import decide
from mmmask.evaluation.scores import macro_f1
from mmmask.ledger.score_log import read_scores
from mmmask.ledger.submissions import ledger_folder, read_log
from mmmask.tables import PREDICTIONS, answers, probabilities, read_table

from .conftest import CONFIG, tool


@pytest.fixture(scope="module")
def tested(run, tmp_path_factory):
    out = tmp_path_factory.mktemp("tested")
    done = tool(
        *("test.py", run.config, run.best, "--tta", "--data-root", run.data),
        *("--labels", run.data / "eval_labels.csv", "--out", out / "predictions.parquet"),
        *("--submission", out / "submission.csv", "--pictures", out),
    )
    assert done.returncode == 0, done.stderr
    return out, done.stdout


def test_the_submission_has_the_rows_of_info_csv_in_order(run, tested) -> None:
    out, _ = tested
    info = pd.read_csv(run.data / "eval/info.csv")
    submission = pd.read_csv(out / "submission.csv")
    assert submission.columns.tolist() == ["ImageID", "ans"]
    assert submission["ImageID"].tolist() == info["ImageID"].tolist()
    predictions = read_table(out / "predictions.parquet", PREDICTIONS)
    assert submission["ans"].tolist() == probabilities(predictions).argmax(axis=1).tolist()


def test_predictions_are_probabilities_with_their_provenance(run, tested) -> None:
    predictions = read_table(tested[0] / "predictions.parquet", PREDICTIONS)
    np.testing.assert_allclose(probabilities(predictions).sum(axis=1), 1, rtol=1e-5)
    provenance = predictions.attrs["provenance"]
    assert provenance["checkpoint_hash"] == hashlib.sha256(run.best.read_bytes()).hexdigest()
    assert provenance["tta"] == ["identity", "hflip"]
    assert provenance["preprocessing"]["size"] == [32, 24]
    assert "MaskArcFaceHead" in provenance["config"]


def test_the_printed_score_is_that_of_the_table(run, tested) -> None:
    out, text = tested
    predictions = read_table(out / "predictions.parquet", PREDICTIONS)
    answers = pd.read_csv(run.data / "eval_labels.csv").set_index("ImageID")["ans"]
    truth = answers.loc[predictions["image"].str.split("/").str[-1]].to_numpy()
    score = macro_f1(truth, probabilities(predictions).argmax(axis=1))
    assert f"{score:.3f}" in text
    assert "95 % interval over 6 people" in text
    for word in ("macro F1", "accuracy", "gender", "female 30-59", "submission.csv"):
        assert word in text


def test_the_submission_is_reviewed_and_logged_with_its_origin(run, tested) -> None:
    out, text = tested
    assert f"{out / 'submission.csv'}: " in text
    assert " of 10 on " in text
    log = read_log(ledger_folder())
    row = log[log["path"] == str(out / "submission.csv")].iloc[-1]
    assert row["checkpoints"] == str(run.best)
    assert row["predictions"] == str(out / "predictions.parquet")
    kept = ledger_folder() / f"{row['number']:04d}.csv"
    assert kept.read_bytes() == (out / "submission.csv").read_bytes()
    stale = [line for line in text.splitlines() if f"warning: {run.work_dir}" in line]
    assert stale == [], "it was trained and tested by the same config and code"


def test_a_planted_duplicate_is_called_out_and_its_score_is_known(run, tested, tmp_path) -> None:
    out, _ = tested
    again = tmp_path / "again.csv"
    pd.read_csv(out / "submission.csv").iloc[::-1].to_csv(again, index=False)
    done = tool("runs.py", "score", out / "submission.csv", "0.7337")
    assert done.returncode == 0, done.stderr
    done = tool("runs.py", "check", again)
    assert done.returncode == 0, done.stderr
    assert "warning: the same answers as submission" in done.stdout
    assert "leaderboard 0.7337" in done.stdout


def test_scores_are_noted_beside_the_card_and_listed(run, tested) -> None:
    out, _ = tested
    predictions = read_table(out / "predictions.parquet", PREDICTIONS)
    truth = predictions["label"].to_numpy(dtype=np.int64)
    score = macro_f1(truth, probabilities(predictions).argmax(axis=1))
    noted = read_scores(run.work_dir)
    row = noted[noted["predictions"] == str(out / "predictions.parquet")].iloc[-1]
    assert row["macro_f1"] == pytest.approx(score)
    assert (row["split"], row["views"], row["photos"]) == ("eval", "identity hflip", 42)
    assert row["low"] <= score <= row["high"]
    done = tool("runs.py", "list", run.work_dir.parent)
    assert done.returncode == 0, done.stderr
    assert f"eval identity+hflip {score:.3f}" in " ".join(done.stdout.split())


def test_the_pictures_are_there(tested) -> None:
    for name in ("confusion.png", "faces.png"):
        assert (tested[0] / name).read_bytes().startswith(b"\x89PNG")


def test_the_held_out_fold_scores_as_it_did_in_training(run, tmp_path) -> None:
    done = tool(
        *("test.py", run.config, run.best, "--data-root", run.data, "--split", "val"),
        *("--out", tmp_path / "val.parquet"),
    )
    assert done.returncode == 0, done.stderr
    table = read_table(tmp_path / "val.parquet", PREDICTIONS)
    score = macro_f1(table["label"].to_numpy(dtype=np.int64), probabilities(table).argmax(axis=1))
    best = max(
        float(line.split("macro F1 ")[1].split()[0])
        for line in run.output.splitlines()
        if "macro F1 " in line and "train loss" in line
    )
    assert score == pytest.approx(best, abs=0.0006)
    assert (table.groupby("person").size() == 7).all()


def test_a_score_by_the_people_who_chose_the_epoch_says_so_and_on_others_not(
    run, tested, tmp_path
) -> None:
    sentence = "its epoch was chosen as the best of 2 by these very people: on others expect "
    assert sentence not in tested[1]
    out = tmp_path / "val.parquet"
    plain = ("test.py", run.config, run.best, "--data-root", run.data, "--split", "val")
    done = tool(*plain, "--tta", "--out", out)
    assert done.returncode == 0, done.stderr
    assert f"warning: {sentence}" in done.stdout
    stated = read_table(out, PREDICTIONS).attrs["provenance"]["chosen"]
    assert (stated["by"], stated["epochs"]) == ("macro_f1", [2])
    assert isinstance(stated["flattery"], float)
    assert f"warning: {sentence}" in tool("score.py", out).stdout
    done = tool(*plain[:2], run.work_dir / "epoch_2.pth", *plain[3:], "--out", out)
    assert "chosen" not in done.stdout


def test_answers_are_decided_for_macro_f1_once_calibrated(run, refused, tmp_path) -> None:
    command = ("test.py", run.config, run.best, "--data-root", run.data)
    val, calibration, out = (tmp_path / n for n in ("val.parquet", "c.json", "out.parquet"))
    decision = ("--decision", "macro-f1", "--out", out)
    assert "needs calibrated probabilities" in refused(*command, *decision)
    assert tool(*command, "--split", "val", "--out", val).returncode == 0
    assert tool("calibrate.py", val, "--out", calibration).returncode == 0
    done = tool(
        *command, *decision, "--calibration", calibration, "--submission", tmp_path / "s.csv"
    )
    assert done.returncode == 0, done.stderr
    table = read_table(out, PREDICTIONS)
    assert table.attrs["provenance"]["calibrated"] is True
    assert table.attrs["provenance"]["decision"] == "macro-f1"
    np.testing.assert_array_equal(answers(table), decide(probabilities(table)))
    assert pd.read_csv(tmp_path / "s.csv")["ans"].tolist() == answers(table).tolist()
    with_tta = refused(*command, *decision, "--calibration", calibration, "--tta")
    assert "were averaged over other views" in with_tta


def test_another_preprocessing_is_refused_with_both_shown(run, refused) -> None:
    line = refused("test.py", CONFIG, run.best, "--data-root", run.data)
    assert "size was [32, 24], is [160, 120]" in line


def test_people_held_out_of_another_fold_are_not_taken_for_unseen(run, refused) -> None:
    line = refused(
        *("test.py", run.config, run.best, "--data-root", run.data, "--split", "val"),
        *("--cfg-options", "data.fold=1"),
    )
    assert "another data than" in line
    assert "fold was 0, is 1" in line


def test_a_checkpoint_of_another_model_is_refused(run, refused) -> None:
    line = refused(
        *("test.py", "configs/mobilenet_v2_linear.py", run.best, "--data-root", run.data),
        *("--cfg-options", "preprocessing.size=(32,24)"),
    )
    assert "weights of another model" in line


def test_a_hostile_checkpoint_is_refused_and_nothing_runs(run, refused, tmp_path) -> None:
    marker = tmp_path / "marker"

    class Hostile:
        def __reduce__(self):
            import os

            return os.system, (f"touch {marker}",)

    path = tmp_path / "hostile.pth"
    torch.save({"state_dict": {}, "meta": Hostile()}, path)
    assert "hostile.pth" in refused("test.py", run.config, path, "--data-root", run.data)
    assert not marker.exists()


def test_a_refused_submission_leaves_nothing(run, refused, tmp_path) -> None:
    target = tmp_path / "submission.csv"
    refused(
        *("test.py", run.config, run.best, "--data-root", run.data),
        *("--split", "val", "--submission", target),
    )
    assert not target.exists()


def test_beside_a_checkpoint_where_no_log_can_be_the_answers_are_the_same(
    run, tested, tmp_path
) -> None:
    shutil.copy(run.best, tmp_path)
    (tmp_path / "test").touch()  # no folder of logs can be made
    out = tmp_path / "p.parquet"
    done = tool(
        *("test.py", run.config, tmp_path / run.best.name, "--tta", "--data-root", run.data),
        *("--out", out),
    )
    assert done.returncode == 0, done.stderr
    assert f"warning: no log of the test is kept: {tmp_path / 'test'}: " in done.stderr
    expected, table = (
        read_table(path, PREDICTIONS) for path in (tested[0] / "predictions.parquet", out)
    )
    assert (probabilities(table) == probabilities(expected)).all()
    assert f"work_dir = '{tmp_path}/test'" in table.attrs["provenance"]["config"]


def test_an_unreadable_photo_is_refused_or_answered_by_the_class_shares(run, tmp_path) -> None:
    data = tmp_path / "data"
    shutil.copytree(run.data, data)
    names = pd.read_csv(data / "eval/info.csv")["ImageID"].tolist()
    for name in names[2], names[7]:
        (data / "eval/images" / name).write_bytes(b"not a photo")
    command = ("test.py", run.config, run.best, "--data-root", data)
    outputs = ("--submission", tmp_path / "s.csv", "--out", tmp_path / "p.parquet")
    done = tool(*command, *outputs)
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert all(words in line for words in (names[2], names[7], "--unreadable prior"))
    assert not (tmp_path / "s.csv").exists()
    done = tool(*command, *outputs, "--unreadable", "prior", "--pictures", tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"2 of {len(names)} photos to predict cannot be read" in done.stderr
    assert names[2] in done.stderr
    assert pd.read_csv(tmp_path / "s.csv")["ImageID"].tolist() == names
    table = read_table(tmp_path / "p.parquet", PREDICTIONS)
    labels = with_labels(read_train(data))["label"].to_numpy(dtype=int)
    shares = np.bincount(labels, minlength=18) / len(labels)
    np.testing.assert_allclose(probabilities(table)[[2, 7]], [shares, shares], rtol=1e-5)
    assert not np.allclose(probabilities(table)[3], shares, atol=1e-3)
    unread = [f"eval/images/{names[2]}", f"eval/images/{names[7]}"]
    assert table.attrs["provenance"]["unreadable"] == unread


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--split", "val"), "--unreadable prior needs --split eval; got val"),
        (("--pack", "p.arrow"), "has none that cannot be read; leave out --pack and data.pack"),
    ],
)
def test_class_shares_for_what_cannot_be_unreadable_are_refused(run, options, sentence) -> None:
    command = ("test.py", run.config, run.best, "--data-root", run.data, "--unreadable", "prior")
    done = tool(*command, *options)
    assert done.returncode == 2
    assert sentence in done.stderr
