from pathlib import Path

import pytest
import torch
from mmengine.runner import save_checkpoint

from mmmask.engine.atomic_backend import WHOLE_FILES
from mmmask.engine.checkpoints import load_checkpoint_file


def test_a_checkpoint_is_written_to_new_folders(tmp_path):
    file = tmp_path / "new" / "a.pth"
    save_checkpoint({"weight": torch.ones(2)}, str(file), backend_args=WHOLE_FILES)
    assert load_checkpoint_file(file)["weight"].tolist() == [1, 1]


def test_a_failed_write_keeps_the_former_content_and_leaves_nothing_beside(tmp_path, monkeypatch):
    file = tmp_path / "a.pth"
    file.write_bytes(b"former")
    write = Path.write_bytes

    def disk_full(path: Path, data: bytes) -> None:
        write(path, data[: len(data) // 2])
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_bytes", disk_full)
    with pytest.raises(OSError, match="no space"):
        save_checkpoint({"weight": torch.ones(2)}, str(file), backend_args=WHOLE_FILES)
    assert file.read_bytes() == b"former"
    assert list(tmp_path.iterdir()) == [file]
