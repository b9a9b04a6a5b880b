import json
from pathlib import Path

import pytest
from mmengine.hooks import Hook
from tiny_engine import TinyFaces, tiny_config, train, without_validation

import mmmask.engine.hooks.run_card_hook
import mmmask.engine.runner  # noqa: F401 - these register
from mmmask.engine.hooks import priorities
from mmmask.engine.hooks.run_card_hook import RunCardHook
from mmmask.errors import InputError
from mmmask.ledger.cards import best, read_card, status, this_process
from mmmask.ledger.config_differences import flat_text
from mmmask.ledger.provenance import code_version, fingerprint, text_hash


def carded(work_dir: Path, **changes):
    config = tiny_config(work_dir, runner_type="ConsoleRunner", **changes)
    config.custom_hooks = [*config.custom_hooks, {"type": "RunCardHook"}]
    return config


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    work_dir = tmp_path_factory.mktemp("finished")
    train(carded(work_dir, epochs=3))
    return work_dir


def test_the_card_of_a_finished_run_tells_what_it_is_made_of(finished) -> None:
    card = read_card(finished)
    (session,) = card["sessions"]
    assert (session["status"], session["from_epoch"], session["epoch"]) == ("finished", 0, 3)
    assert session["start"] <= session["end"]
    assert session["photos_per_second"] > 0
    assert session["seed"] == 7
    train_data = TinyFaces(40, 1, "train").samples
    about = {"photos": 40, "people": 20, "fingerprint": fingerprint(train_data)}
    assert session["data"]["train"] == about
    assert session["data"]["val"]["people"] == 12
    assert session["code"] == code_version()
    assert session["machine"]["processes"] == 1
    assert {"torch", "mmengine", "mmmask"} <= set(session["versions"])
    text = card["configs"][session["config_hash"]]
    assert text_hash(text) == session["config_hash"]
    assert flat_text(text)["optim_wrapper.optimizer.lr"] == 0.02


def test_the_card_has_the_score_of_each_epoch_and_no_list(finished) -> None:
    card = read_card(finished)
    assert [one["epoch"] for one in card["validations"]] == [1, 2, 3]
    assert all(0 < one["macro_f1"] < 1 for one in card["validations"])
    assert not any("per_class" in one for one in card["validations"])
    (file,) = finished.glob("best_macro_f1_epoch_*.pth")
    assert file.stem.endswith(f"_{best(card)['epoch']}")


@pytest.mark.parametrize("console", [True, False])
def test_a_resumed_run_adds_a_session_and_keeps_the_history(finished, tmp_path, console) -> None:
    config = carded(tmp_path, epochs=3)
    if not console:
        config.pop("runner_type")  # nobody tells the hook of the failure, as when killed
    train(config, kill={"point": "inside the validation", "epoch": 2})
    killed = read_card(tmp_path)
    assert killed["sessions"][0]["status"] == ("failed" if console else "running")
    if console:
        assert killed["sessions"][0]["error"].startswith("KilledError")
    assert [one["epoch"] for one in killed["validations"]] == [1]
    train(config, resume=True)
    card = read_card(tmp_path)
    assert [one["from_epoch"] for one in card["sessions"]] == [0, 1]
    statuses = [one["status"] for one in card["sessions"]]
    assert statuses == ["failed" if console else "interrupted", "finished"]
    assert card["validations"] == read_card(finished)["validations"]
    assert {one["config_hash"] for one in card["sessions"]} == set(card["configs"])


def test_a_run_killed_right_after_its_checkpoint_has_lost_no_validation(finished, tmp_path) -> None:
    class Kill(Hook):
        priority = priorities.CHECKPOINT + 1

        def after_val(self, runner) -> None:
            raise RuntimeError("killed")

    config = carded(tmp_path, epochs=3)
    config.pop("runner_type")  # nobody tells the hook of the failure
    with pytest.raises(RuntimeError, match="killed"):
        train(config, hooks=[Kill()])
    assert (tmp_path / "epoch_1.pth").exists()
    train(config, resume=True)
    assert read_card(tmp_path)["validations"] == read_card(finished)["validations"]


def test_scores_behind_the_epoch_that_a_run_resumes_from_are_forgotten(finished, tmp_path) -> None:
    train(carded(tmp_path, epochs=2))
    path = tmp_path / "card.json"
    card = json.loads(path.read_text())
    card["validations"].append({"epoch": 3, "macro_f1": 0.99})
    path.write_text(json.dumps(card))
    train(carded(tmp_path, epochs=3), resume=True)
    scores = [(one["epoch"], one["macro_f1"]) for one in read_card(tmp_path)["validations"]]
    assert [epoch for epoch, _ in scores] == [1, 2, 3]
    assert scores[2][1] < 0.99


def test_an_interrupted_run_says_so(tmp_path) -> None:
    class Interrupt(RunCardHook):
        def after_train_iter(self, runner, *_, **__) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(carded(tmp_path, epochs=1), hooks=[Interrupt()])
    assert status(read_card(tmp_path)) == "interrupted"


def test_a_run_without_validation_counts_its_epochs(tmp_path) -> None:
    train(without_validation(carded(tmp_path, epochs=2)))
    card = read_card(tmp_path)
    assert (card["sessions"][0]["epoch"], card["validations"]) == (2, [])
    assert "val" not in card["sessions"][0]["data"]


def test_a_folder_in_which_another_process_trains_is_refused(tmp_path) -> None:
    other = {**this_process(), "pid": 1, "started": _started(1)}
    session = {"status": "running", "process": other, "start": "2024-05-01"}
    (tmp_path / "card.json").write_text(json.dumps({"sessions": [session]}))
    with pytest.raises(InputError, match="process 1 is training in it since 2024-05-01"):
        train(carded(tmp_path, epochs=1))
    assert read_card(tmp_path)["sessions"] == [session]
    session["process"]["started"] = 3  # long gone: another process has its number
    (tmp_path / "card.json").write_text(json.dumps({"sessions": [session]}))
    train(carded(tmp_path, epochs=1))
    statuses = [one["status"] for one in read_card(tmp_path)["sessions"]]
    assert statuses == ["interrupted", "finished"]


def _started(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
