import json

import pandas as pd
import pytest
from mmengine.config import Config
from tiny_engine import KilledError, KillHook, TinyFaces, tiny_config, train

from mmmask.engine.checkpoints import load_checkpoint_file
from mmmask.engine.hooks import run_card_hook
from mmmask.errors import InputError
from mmmask.ledger.cards import read_card
from mmmask.ledger.chosen_epoch import answers_of, chosen_by_people, chosen_epoch
from mmmask.ledger.epoch_answers import FILE, EpochAnswers

METRIC = {"type": "TinyFaceMetric"}
SAMPLES = TinyFaces(24, 2, "val").samples


def answering(work_dir, metric=METRIC, **changes) -> Config:
    config = tiny_config(work_dir, val_evaluator=metric, **changes)
    hooks = [hook for hook in config.custom_hooks if "Stopping" not in hook.type]
    config.custom_hooks = [*hooks, {"type": "RunCardHook"}]
    return config


def stated(work_dir) -> dict:
    """Return what predictions by the best checkpoint state of its choice."""
    (best,) = work_dir.glob("best_*.pth")
    return chosen_epoch(load_checkpoint_file(best), best, SAMPLES)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    work_dir = tmp_path_factory.mktemp("whole")
    train(answering(work_dir))
    return work_dir


def test_each_validated_epoch_leaves_the_answers_that_its_score_is_of(whole) -> None:
    answers = EpochAnswers.read(whole)
    assert answers.table[["image", "person", "label"]].equals(
        SAMPLES[["image", "person", "label"]].astype({"label": "Int8"})
    )
    assert (answers.table["epoch_1"].dtype, answers.attribute) == ("int8", None)
    scored = {one["epoch"]: one["macro_f1"] for one in read_card(whole)["validations"]}
    assert list(scored) == [1, 2, 3, 4]
    assert answers.scores == pytest.approx(scored, abs=1e-12)
    assert len(set(scored.values())) > 1


def test_the_best_checkpoint_says_that_these_people_chose_it_the_last_one_does_not(whole) -> None:
    found = stated(whole)
    assert (found["by"], found["epochs"]) == ("macro_f1", [4])
    assert isinstance(found["flattery"], float)
    last = whole / "epoch_4.pth"
    assert chosen_epoch(load_checkpoint_file(last), last, SAMPLES) is None


def test_a_best_checkpoint_is_known_under_any_name(whole) -> None:
    (best,) = whole.glob("best_*.pth")
    content = load_checkpoint_file(best)
    assert chosen_epoch(content, whole / "favourite.pth", SAMPLES) == stated(whole)


@pytest.mark.parametrize(
    "point", ["inside the epoch", "inside the validation", "before it is kept"]
)
def test_a_killed_and_resumed_run_leaves_what_an_uninterrupted_one_does(
    whole, tmp_path, monkeypatch, point
) -> None:
    config = answering(tmp_path)
    with monkeypatch.context() as patch:
        if point == "before it is kept":
            patch.setattr(KillHook, "before_save_checkpoint", _kill_at_epoch_file)
        train(config, kill={"point": point, "epoch": 3})
    assert EpochAnswers.read(tmp_path).epochs == [1, 2, 3][: 3 if "kept" in point else 2]
    train(config, resume=True)
    assert (tmp_path / FILE).read_bytes() == (whole / FILE).read_bytes()
    assert stated(tmp_path) == stated(whole)
    assert [path.name for path in tmp_path.glob(".val_answers*")] == []


def _kill_at_epoch_file(hook, runner, checkpoint) -> None:
    if "optimizer" in checkpoint and runner.epoch == hook.epoch:
        raise KilledError


def test_epochs_behind_the_checkpoint_that_a_run_resumes_from_are_dropped(whole, tmp_path) -> None:
    train(answering(tmp_path, epochs=4), kill={"point": "inside the epoch", "epoch": 3})
    answers = EpochAnswers.read(tmp_path)
    answers.with_epoch(7, answers.table["epoch_1"].to_numpy()).write(tmp_path)
    train(answering(tmp_path, epochs=4), resume=True)
    assert (tmp_path / FILE).read_bytes() == (whole / FILE).read_bytes()


def test_a_run_that_goes_on_elsewhere_chooses_among_its_own_epochs(tmp_path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    train(answering(first), kill={"point": "inside the epoch", "epoch": 3})
    train(answering(second), resume=str(first / "epoch_2.pth"))
    assert EpochAnswers.read(second).epochs == [3, 4]
    assert stated(second)["epochs"] == [2]


def test_answers_of_only_some_epochs_estimate_nothing(tmp_path) -> None:
    config = answering(tmp_path)
    train(config, kill={"point": "inside the epoch", "epoch": 3})
    (tmp_path / FILE).unlink()
    train(config, resume=True)
    assert answers_of(tmp_path) is None
    assert stated(tmp_path) == {"by": "macro_f1", "epochs": [4], "flattery": None}


def test_a_new_run_does_not_go_on_with_the_answers_of_another(whole, tmp_path) -> None:
    EpochAnswers.of(SAMPLES[:5], "mask").with_epoch(1, SAMPLES["label"][:5] % 3).write(tmp_path)
    train(answering(tmp_path))
    assert (tmp_path / FILE).read_bytes() == (whole / FILE).read_bytes()


def test_epochs_that_are_not_validated_leave_no_answers(tmp_path) -> None:
    train_cfg = {"by_epoch": True, "max_epochs": 4, "val_interval": 2}
    train(answering(tmp_path, train_cfg=train_cfg))
    assert EpochAnswers.read(tmp_path).epochs == [2, 4]
    assert stated(tmp_path)["epochs"] == [2]


def test_of_one_validation_nothing_was_chosen(tmp_path) -> None:
    train(answering(tmp_path, epochs=1))
    assert stated(tmp_path) is None


def test_without_our_metric_there_is_no_file_and_the_choice_is_said_all_the_same(tmp_path) -> None:
    train(answering(tmp_path, {"type": "TinyMetric"}, epochs=2))
    assert not (tmp_path / FILE).exists()
    assert stated(tmp_path) == {"by": "macro_f1", "epochs": [2], "flattery": None}


def test_a_dataset_without_labels_in_its_samples_leaves_no_file(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(run_card_hook, "samples_of", lambda dataset: SAMPLES.drop(columns="label"))
    train(answering(tmp_path, epochs=1))
    assert not (tmp_path / FILE).exists()


def test_a_damaged_file_of_answers_is_refused_and_nothing_is_written(tmp_path) -> None:
    train(answering(tmp_path, epochs=1))
    (tmp_path / FILE).write_text("no parquet")
    before = (tmp_path / "card.json").read_bytes()
    with pytest.raises(InputError, match=r"val_answers\.parquet: not a readable parquet file"):
        train(answering(tmp_path, epochs=2), resume=True)
    assert (tmp_path / "card.json").read_bytes() == before


def test_a_choice_by_another_metric_is_named_and_not_estimated(tmp_path) -> None:
    config = answering(tmp_path, epochs=2)
    config.default_hooks.checkpoint = {
        "type": "ResumableCheckpointHook",
        "save_best": "nll",
        "rule": "less",
    }
    train(config)
    found = stated(tmp_path)
    assert found == {"by": "nll", "epochs": [2], "flattery": None}
    assert chosen_by_people({"split": "val", "chosen": found}) == (
        "its epoch was chosen as the best of 2 in nll by these very people: on others expect a "
        "lower macro F1; how much lower is unknown"
    )


def test_a_validation_outside_of_training_leaves_the_answers_as_they_are(tmp_path) -> None:
    runner = train(answering(tmp_path, epochs=2))
    before = (tmp_path / FILE).read_bytes()
    runner.val()
    assert (tmp_path / FILE).read_bytes() == before


@pytest.mark.parametrize("foreign", ["no card", "another card", "other answers", "moved"])
def test_figures_of_another_run_are_not_taken(tmp_path, foreign) -> None:
    train(answering(tmp_path, epochs=3))
    (best,) = tmp_path.glob("best_*.pth")
    content = load_checkpoint_file(best)
    if foreign == "no card":
        (tmp_path / "card.json").unlink()
    elif foreign == "another card":
        card = json.loads((tmp_path / "card.json").read_text())
        for one in card["validations"]:
            one["macro_f1"] += 0.001
        (tmp_path / "card.json").write_text(json.dumps(card))
    elif foreign == "other answers":
        answers = EpochAnswers.read(tmp_path)
        answers.with_epoch(1, answers.table["label"].to_numpy(int)).write(tmp_path)
    else:
        best = tmp_path / "elsewhere" / best.name
    epochs = [3] if foreign == "other answers" else [None]
    found = chosen_epoch(content, best, SAMPLES)
    assert found == {"by": "macro_f1", "epochs": epochs, "flattery": None}


def test_other_people_have_not_chosen(whole) -> None:
    (best,) = whole.glob("best_*.pth")
    content = load_checkpoint_file(best)
    others = pd.DataFrame({"image": ["99.jpg", "98.jpg"]})
    assert chosen_epoch(content, best, others) is None
    some = chosen_epoch(content, best, SAMPLES[:10])
    assert some == {"by": "macro_f1", "epochs": [4], "flattery": None}
