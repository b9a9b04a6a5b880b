import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmmask.errors import InputError, MissingFileError
from mmmask.ledger.cards import (
    CARD,
    best,
    is_alive,
    read_card,
    session_of,
    status,
    this_process,
    write_card,
)


def test_a_card_is_read_as_it_was_written(tmp_path) -> None:
    card = {"sessions": [{"status": "finished", "seed": 3}], "validations": [], "configs": {}}
    write_card(tmp_path, card)
    assert read_card(tmp_path) == card
    assert [path.name for path in tmp_path.iterdir()] == ["card.json"]


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"sessions": []}', '{"sessions": [3]}'])
def test_half_a_card_names_itself(tmp_path, text) -> None:
    (tmp_path / "card.json").write_text(text)
    with pytest.raises(
        InputError, match=r"card\.json: (not readable|must be|sessions must|sessions\.0)"
    ):
        read_card(tmp_path)


def test_a_missing_card_is_said_to_be_of_an_older_run(tmp_path) -> None:
    with pytest.raises(MissingFileError, match="older version have no card"):
        read_card(tmp_path)


def running(process: dict | None) -> dict:
    return {"sessions": [{"status": "running", "process": process}]}


def test_a_run_whose_process_is_gone_was_interrupted() -> None:
    code = "from mmmask.ledger.cards import *; print(json.dumps(this_process()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ended = json.loads(done.stdout)
    assert is_alive(ended) is False
    assert status(running(ended)) == "interrupted"
    assert is_alive(this_process()) is True
    assert status(running(this_process())) == "running"


def test_a_later_process_of_the_same_number_is_another() -> None:
    assert is_alive({**this_process(), "started": 1}) is False


def test_of_another_machine_nobody_can_tell() -> None:
    for process in ({**this_process(), "host": "elsewhere", "pid": 2**22 + 1}, None):
        assert is_alive(process) is None
        assert status(running(process)) == "running"


@pytest.mark.skipif(os.getuid() == 0 and not Path("/proc/1/stat").exists(), reason="no /proc")
def test_a_process_of_somebody_else_is_alive() -> None:
    started = int(Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19])
    assert is_alive({**this_process(), "pid": 1, "started": started}) is True


def test_the_first_of_the_best_epochs_counts() -> None:
    scores = [(1, 0.3), (2, 0.5), (3, 0.5)]
    card = {"validations": [{"epoch": epoch, "macro_f1": score} for epoch, score in scores]}
    assert best(card) == {"epoch": 2, "macro_f1": 0.5}
    assert best({"validations": [{"epoch": 1}]}) is None
    assert best({}) is None


def test_a_card_under_its_old_names_is_read(tmp_path) -> None:
    (tmp_path / CARD).write_text('{"sittings": [{"status": "finished"}]}')
    assert status(read_card(tmp_path)) == "finished"


def test_a_checkpoint_belongs_to_the_session_that_reached_its_epoch() -> None:
    card = {"sessions": [{"from_epoch": 0}, {"from_epoch": 0}, {"from_epoch": 3}]}
    found = {
        name: card["sessions"].index(session_of(card, Path(name)))
        for name in ("epoch_4.pth", "best_macro_f1_epoch_12.pth", "weights.pth")
    }
    assert found == {"epoch_4.pth": 2, "best_macro_f1_epoch_12.pth": 2, "weights.pth": 2}
    assert session_of(card, Path("epoch_3.pth")) is card["sessions"][1]  # the folder was used anew
