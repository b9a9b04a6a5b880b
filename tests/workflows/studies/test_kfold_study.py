"""The order of a k-fold, with stand-ins for training and testing; real ones in tests/tools."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmmask.datasets.layout import read_eval, read_train, with_labels
from mmmask.datasets.splits import assign_folds
from mmmask.engine.hooks.person_split_hook import split_table
from mmmask.errors import InputError, MissingFileError
from mmmask.evaluation.calibration import cross_calibrated, fit_calibration
from mmmask.evaluation.decision import decide
from mmmask.ledger.provenance import file_hash, fingerprint
from mmmask.tables import (
    PREDICTIONS,
    PROBABILITIES,
    answers,
    probabilities,
    read_predictions,
    write_table,
)
from mmmask.workflows.studies.kfold import KFold, kfold

CONFIGS = Path(__file__).parents[3] / "configs"
CONFIG = CONFIGS / "mobilenet_v2_linear.py"
FOLDS = 3
CHOSEN = {"by": "macro_f1", "epochs": [6], "flattery": None}
PEOPLE = [(f"{n:06d}", ("male", "female")[n % 2], (20, 40, 60)[n % 3]) for n in range(9)]

#: Stands in for ``studies.step``: writes down what it is asked for and copies what was prepared.
STEP = """
import json, shutil, sys
from pathlib import Path
name, config, given = sys.argv[1:]
given = json.loads(given)
home = Path(__file__).parent


def log(line):
    with open(home / "log.txt", "a") as file:
        file.write(line + "\\n")


if name == "pack":
    Path(given["out"]).touch()
    log("pack")
elif name == "train":
    folder = Path(given["work_dir"])
    number = folder.name[-1]
    log(f"train {number}")
    assert {f"data.fold={number}", "data.folds=3"} <= {*given["options"]}
    assert given["resume"] == "auto"
    if (home / "stop").exists() and number == "1":
        print("error: the disk is full", file=sys.stderr)
        raise SystemExit(2)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(home / "prepared" / f"split_{number}.csv", folder / "split.csv")
    (folder / "epoch_6.pth").write_text(f"last of {number}")
    (folder / "best_macro_f1_epoch_2.pth").write_text(f"best of {number}")
    (folder / "last_checkpoint").write_text("/elsewhere/epoch_6.pth")
else:
    assert name == "test"
    checkpoint, out = Path(given["checkpoint"]), Path(given["out"])
    fold, tta = out.parent.name[-1], given["tta"]
    log(f"test {fold} {out.stem} {checkpoint.stem}" + (" tta" if tta else "")
        + (" prior" if given.get("unreadable") == "prior" else ""))
    stem = f"{out.stem}_{fold}_{checkpoint.stem[:4]}" + ("_tta" if tta else "")
    shutil.copy(home / "prepared" / f"{stem}.parquet", out)
"""


def predicted(samples: pd.DataFrame, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    columns = [name for name in PREDICTIONS if name in samples]
    table = samples[columns].reset_index(drop=True)
    values = random.dirichlet(np.ones(18), len(table))
    return table.join(pd.DataFrame(values, columns=list(PROBABILITIES)))


@pytest.fixture
def study(tmp_path, make_layout, stand_in) -> KFold:
    stand_in(STEP)
    root = make_layout(PEOPLE, eval_photos=4)
    prepared = tmp_path / "prepared"
    samples = with_labels(read_train(root))
    samples["fold"] = assign_folds(samples, folds=FOLDS)
    prepared.mkdir()
    for fold in range(FOLDS):
        held_out = samples["fold"] == fold
        split = split_table(samples[~held_out], samples[held_out])
        split.to_csv(prepared / f"split_{fold}.csv", index=False)
        for name, part in (("val", samples[held_out]), ("eval", read_eval(root))):
            for which, views in (("last", []), ("best", []), ("last", ["hflip"])):
                stem = f"{name}_{fold}_{'epoc' if which == 'last' else 'best'}{'_tta' * len(views)}"
                provenance = {
                    "checkpoint_hash": hashlib.sha256(f"{which} of {fold}".encode()).hexdigest(),
                    "tta": views,
                    "old_from": 60,
                    "config_hash": "abc",
                    "data_fingerprint": fingerprint(part),
                    "split": name,
                    "chosen": CHOSEN if (name, which) == ("val", "best") else None,
                }
                table = predicted(part, seed=10 * len(views) + fold)
                write_table(prepared / f"{stem}.parquet", table, PREDICTIONS, provenance)
    return KFold(config=CONFIG, folds=FOLDS, out=tmp_path / "out", data_root=str(root))


def log(study: KFold) -> list[str]:
    """Return what was run since the last call."""
    path = study.out.parent / "log.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    path.write_text("")
    return lines


def in_turn(*folds: int) -> list[str]:
    steps = ("train {}", "test {} val epoch_6", "test {} eval epoch_6")
    return [step.format(fold) for fold in folds for step in steps]


def test_each_fold_is_trained_and_predicts_and_all_is_put_together(study, capsys) -> None:
    table, summary, files = kfold(study)
    assert log(study) == in_turn(0, 1, 2)
    assert [path.name for path in files] == ["oof.parquet", "eval.parquet", "summary.csv"]

    oof = read_predictions(study.out / "oof.parquet")
    everybody = read_train(study.source.root)
    assert oof["image"].tolist() == everybody["image"].tolist() == table["image"].tolist()
    assert oof["fold"].tolist() == assign_folds(everybody, folds=FOLDS).tolist()
    provenance = oof.attrs["provenance"]
    assert provenance["split"] == "oof"
    assert provenance["data_fingerprint"] == fingerprint(with_labels(everybody))
    assert provenance["old_from"] == 60 and provenance["config_hash"] == "abc"
    for fold, member in enumerate(provenance["members"]):
        assert member["fold"] == fold
        assert member["path"] == str(study.folder(fold) / "val.parquet")
        assert member["hash"] == file_hash(study.folder(fold) / "val.parquet")
        assert member["checkpoint_hash"] == file_hash(study.folder(fold) / "epoch_6.pth")

    mean = read_predictions(study.out / "eval.parquet")
    single = [read_predictions(study.folder(fold) / "eval.parquet") for fold in range(FOLDS)]
    np.testing.assert_allclose(
        probabilities(mean), np.mean([probabilities(one) for one in single], axis=0), rtol=1e-5
    )
    assert mean["image"].tolist() == read_eval(study.source.root)["image"].tolist()
    assert mean.attrs["provenance"]["split"] == "eval"

    written = pd.read_csv(study.out / "summary.csv").set_index("part")
    assert written.loc["out of fold", "people"] == 9
    assert written["macro_f1"].tolist() == pytest.approx(summary["macro_f1"].tolist())
    assert f"fold 2: macro F1 {written.loc['2', 'macro_f1']:.3f} [" in capsys.readouterr().out


def test_answers_are_decided_by_a_calibration_out_of_fold(study) -> None:
    kfold(study)
    before = {name: read_predictions(study.out / f"{name}.parquet") for name in ("oof", "eval")}
    log(study)
    kfold(replace(study, decision="macro-f1"))
    assert log(study) == []  # nothing is trained or predicted again
    after = {name: read_predictions(study.out / f"{name}.parquet") for name in ("oof", "eval")}
    for name, table in after.items():
        np.testing.assert_array_equal(probabilities(table), probabilities(before[name]))
        assert "answer" not in before[name]
        assert table.attrs["provenance"]["decision"] == "macro-f1"
    oof = after["oof"]
    truth, people = oof["label"].to_numpy(dtype=int), oof["person"].to_numpy()
    values = probabilities(oof)
    held_out = cross_calibrated(values, truth, oof["fold"], person=people)
    np.testing.assert_array_equal(answers(oof), decide(held_out))
    calibration = fit_calibration(values, truth, person=people)
    each = [read_predictions(study.folder(fold) / "eval.parquet") for fold in range(FOLDS)]
    mean = np.mean([calibration(probabilities(one)) for one in each], axis=0, dtype=np.float64)
    np.testing.assert_array_equal(answers(after["eval"]), decide(mean))


def test_a_failed_run_continues_at_the_fold_where_it_was(study) -> None:
    (study.out.parent / "stop").touch()
    with pytest.raises(
        InputError, match=r"^train mobilenet_v2_linear\.py refuses its input: its s"
    ):
        kfold(study)
    assert log(study) == [*in_turn(0), "train 1"]
    assert not (study.out / "oof.parquet").exists()
    (study.out.parent / "stop").unlink()
    kfold(study)
    assert log(study) == in_turn(1, 2)
    kfold(study)
    assert log(study) == []


def test_folds_at_the_same_time_write_logs_and_name_their_fault(study) -> None:
    (study.out.parent / "stop").touch()
    with pytest.raises(InputError, match=r"refuses its input: the disk is full$"):
        kfold(replace(study, jobs=2))
    (study.out.parent / "stop").unlink()
    kfold(replace(study, jobs=2))
    assert "the disk is full" in (study.folder(1) / "kfold.log").read_text()
    assert (study.out / "oof.parquet").exists()


def test_photos_to_predict_that_cannot_be_read_are_told_before_the_training(study) -> None:
    for photo in (one := sorted(Path(study.data_root, "eval/images").iterdir()))[:2]:
        photo.write_bytes(b"not a photo")
    with pytest.raises(InputError, match=r"not a photo.*--unreadable prior of") as caught:
        kfold(study)
    assert all(photo.name in str(caught.value) for photo in one[:2])
    assert log(study) == []
    kfold(replace(study, unreadable="prior"))
    tests = [line for line in log(study) if line.startswith("test")]
    assert tests[:2] == ["test 0 val epoch_6", "test 0 eval epoch_6 prior"]


def test_answers_by_shares_are_predicted_anew_where_they_are_refused(study, tmp_path) -> None:
    kfold(replace(study, unreadable="prior"))
    log(study)
    path = study.folder(1) / "eval.parquet"
    table = read_predictions(path)
    write_table(path, table, PREDICTIONS, {**table.attrs["provenance"], "unreadable": ["x.jpg"]})
    kfold(replace(study, unreadable="prior"))
    assert log(study) == []
    kfold(study)
    assert log(study) == ["test 1 eval epoch_6"]


def test_views_and_checkpoints_are_predicted_anew_and_not_trained_anew(study) -> None:
    kfold(study)
    log(study)
    kfold(replace(study, tta=True))
    assert log(study) == [
        f"test {fold} {split} epoch_6 tta" for fold in range(FOLDS) for split in ("val", "eval")
    ]
    oof = read_predictions(study.out / "oof.parquet")
    assert oof.attrs["provenance"]["tta"] == ["hflip"]
    assert oof.attrs["provenance"]["chosen"] is None
    kfold(replace(study, checkpoint="best", eval_split=False))
    chosen = read_predictions(study.out / "oof.parquet").attrs["provenance"]["chosen"]
    assert chosen == {"by": "macro_f1", "epochs": [6, 6, 6], "flattery": None}
    assert log(study) == [f"test {fold} val best_macro_f1_epoch_2" for fold in range(FOLDS)]
    (study.folder(0) / "best_macro_f1_epoch_2.pth").unlink()
    with pytest.raises(InputError, match=r"fold_0: has no best_\*\.pth; use --checkpoint last"):
        kfold(replace(study, checkpoint="best"))


def test_the_photos_are_packed_once_before_the_folds(study) -> None:
    study = replace(study, pack=str(study.out.parent / "photos.arrow"))
    kfold(study)
    assert log(study) == ["pack", *in_turn(0, 1, 2)]
    kfold(study)
    assert log(study) == []


def test_without_eval_photos_there_are_no_predictions_of_them(study) -> None:
    (study.source.root / "eval" / "info.csv").unlink()
    _, _, files = kfold(study)
    assert [path.name for path in files] == ["oof.parquet", "summary.csv"]
    assert log(study) == [step for step in in_turn(0, 1, 2) if "eval" not in step]


def test_a_folder_of_another_config_is_refused(study) -> None:
    kfold(study)
    with pytest.raises(InputError, match=r"out: holds a run of another config, 1 .* head\.drop"):
        kfold(replace(study, options=["head.dropout=0.5"]))
    with pytest.raises(InputError, match=r"data\.folds was 3, is 2"):
        kfold(replace(study, folds=2))
    with (study.source.root / "train" / "train.csv").open("a") as people:
        people.write("\n")
    with pytest.raises(InputError, match=r"train\.csv was .*; use another folder"):
        kfold(study)


def test_a_folder_in_which_a_training_was_refused_takes_another_config(study, monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise InputError("state another score")

    with monkeypatch.context() as patch:
        patch.setattr("mmmask.workflows.studies.kfold.run_commands", refuse)
        with pytest.raises(InputError, match="state another score"):
            kfold(study)
    kfold(replace(study, options=["head.dropout=0.5"]))


def test_corrections_decide_by_their_content(study) -> None:
    corrections = study.out.parent / "corrections.csv"
    with pytest.raises(MissingFileError, match=r"corrections\.csv: no such file"):
        kfold(replace(study, corrections=str(corrections)))
    corrections.write_text("person,photo,field,value\n000000,*,gender,female\n")
    kfold(replace(study, corrections=str(corrections)))
    corrections.write_text("person,photo,field,value\n000001,*,gender,male\n")
    with pytest.raises(InputError, match=r"sha256 of .*corrections\.csv was"):
        kfold(replace(study, corrections=str(corrections)))


def write_teachers(study: KFold, *names: str) -> None:
    for name in names:
        (study.out.parent / name).write_text(name)


def test_each_fold_has_a_teacher_of_its_own_which_decides_by_its_content(study, caplog) -> None:
    path = str(study.out.parent / "without_{fold}.parquet")
    taught = replace(study, teacher=[path])
    write_teachers(study, "without_0.parquet", "without_1.parquet")
    with pytest.raises(MissingFileError, match=r"without_2\.parquet: no such file"):
        kfold(taught)
    write_teachers(study, "without_2.parquet")
    kfold(taught)
    assert not caplog.messages
    *_, given = taught.train_fold(1)
    assert json.loads(given)["teacher"] == [path]  # which the training fills by its fold
    (study.out.parent / "without_2.parquet").write_text("another")
    with pytest.raises(InputError, match=r"sha256 of .*without_2\.parquet was"):
        kfold(taught)


def test_a_teacher_of_all_folds_is_said_to_raise_the_score(study, caplog) -> None:
    write_teachers(study, "oof.parquet")
    kfold(replace(study, teacher=[str(study.out.parent / "oof.parquet")]))
    (said,) = caplog.messages
    assert "oof.parquet: the teacher has learned the labels of the people held out" in said


def test_a_leak_of_a_real_split_is_refused(study) -> None:
    """The second fold was trained on a person that it predicts."""
    kfold(study)
    split = pd.read_csv(study.folder(1) / "split.csv", dtype=str)
    leaked = split.loc[split["part"] == "val", "person"].iloc[0]
    split[split["person"] == leaked].assign(part="train").to_csv(
        study.folder(1) / "split.csv", mode="a", header=False, index=False
    )
    (study.out / "oof.parquet").unlink()
    with pytest.raises(InputError, match=rf"fold_1/val\.parquet: .* trained on 1 .* {leaked}"):
        kfold(study)
    assert not (study.out / "oof.parquet").exists()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"options": ["data.fold=1"]}, r"data\.fold is what k-fold sets itself; use --folds"),
        ({"config": CONFIGS / "mobilenet_v2_linear_everybody.py"}, "trains on everybody"),
        ({"jobs": 0}, "--jobs must be at least 1; got 0"),
        ({"folds": 10}, "folds must be from 2 to the number of people, 9; got 10"),
        ({"decision": "best"}, "--decision must be one of macro-f1, argmax; got 'best'"),
        (
            {"decision": "macro-f1", "config": CONFIGS / "mobilenet_v2_gender.py"},
            "needs the 18 classes, but .*mobilenet_v2_gender.py predicts one attribute alone",
        ),
        ({"checkpoint": "first"}, "--checkpoint must be last or best; got 'first'"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_written(study, given, sentence) -> None:
    with pytest.raises(InputError, match=sentence):
        kfold(replace(study, **given))
    assert not study.out.exists()
