import sys
from pathlib import Path

import pytest

from mmmask.errors import InputError
from mmmask.workflows.studies.commands import claim, last_checkpoint, tool


def test_options_become_arguments_and_what_is_not_given_is_left_out() -> None:
    command = tool(
        Path("tools/train.py"), "config.py", seed=0, data_root=None, amp=False, samples=[],
        pretrained="none", cfg_options=["a=1", "b=2"], resume=True,
    )  # fmt: skip
    assert command[0] == sys.executable
    assert " ".join(command[1:]) == (
        "tools/train.py config.py --seed 0 --pretrained none --cfg-options a=1 b=2 --resume"
    )


def test_a_folder_belongs_to_one_plan(tmp_path) -> None:
    claim(tmp_path / "run", {"head.dropout": 0.2, "data.drop_ages": (1, 2)})
    claim(tmp_path / "run", {"data.drop_ages": [1, 2], "head.dropout": 0.2})
    with pytest.raises(InputError, match=r"run: holds .*, 1 values differ: head\.dropout was 0\.2"):
        claim(tmp_path / "run", {"head.dropout": 0.5, "data.drop_ages": (1, 2)})


def test_the_last_checkpoint_is_found_in_a_folder_that_was_moved(tmp_path) -> None:
    (tmp_path / "last_checkpoint").write_text("/elsewhere/run/epoch_6.pth\n")
    assert last_checkpoint(tmp_path) == tmp_path / "epoch_6.pth"
