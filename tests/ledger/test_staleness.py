"""Planted stale configs, code and files are called out, and nothing else is."""

from pathlib import Path

import pandas as pd
import pytest

from mmmask.config import load_config
from mmmask.ledger.cards import write_card
from mmmask.ledger.config_differences import changes, flat, flat_config
from mmmask.ledger.provenance import code_version, file_hash, text_hash
from mmmask.ledger.staleness import checkpoints_of, stale_reasons
from mmmask.tables import PREDICTIONS, PROBABILITIES, write_table

CONFIGS = Path(__file__).parents[2] / "configs"
OPTIONS = {"head.scale": 8.0, "data.data_root": "elsewhere"}


PARENT = f'''"""A parent."""
_base_ = [{str(CONFIGS / "mobilenet_v2_arcface.py")!r}]
head = dict(margin=0.4)
'''
LEAF = '''"""Score: unknown."""
_base_ = ["parent.py"]
train_cfg = dict(max_epochs=3)
'''
TABLE = pd.DataFrame({"image": ["a"]}).assign(**dict.fromkeys(PROBABILITIES, 1 / 18))


def write_source(folder: Path) -> Path:
    """Write a config with a parent of its own."""
    (folder / "parent.py").write_text(PARENT)
    (folder / "mine.py").write_text(LEAF)
    return folder / "mine.py"


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> dict:
    """Return what stays of a training and of a test with the run's own config."""
    source = write_source(tmp_path_factory.mktemp("source"))
    cfg = load_config(source, OPTIONS)
    overridden = changes(flat_config(source, {}), flat(cfg.to_dict()))
    return {
        "text": cfg.pretty_text,
        "tested": load_config(source, {**OPTIONS, "tta.enabled": True}).pretty_text,
        "overrides": {name: now for name, (_, now) in overridden.items()},
    }


@pytest.fixture
def source(tmp_path) -> Path:
    """Return the config that a run was started from."""
    return write_source(tmp_path)


@pytest.fixture
def origin(trained, source, tmp_path) -> dict:
    """Return the provenance of predictions of a run with a card."""
    checkpoint = tmp_path / "run" / "epoch_3.pth"
    checkpoint.parent.mkdir()
    checkpoint.write_bytes(b"weights")
    key = text_hash(trained["text"])
    session = {
        "from_epoch": 0,
        "config_file": str(source),
        "config_hash": key,
        "overrides": trained["overrides"],
        "code": code_version(),
    }
    write_card(checkpoint.parent, {"sessions": [session], "configs": {key: trained["text"]}})
    return {
        "config": trained["tested"],
        "checkpoint": str(checkpoint),
        "checkpoint_hash": file_hash(checkpoint),
        "code": code_version(),
    }


def test_a_fresh_checkpoint_has_nothing_against_it(origin) -> None:
    assert stale_reasons(origin) == []


def test_a_comment_in_the_config_changes_nothing(origin, source) -> None:
    source.write_text(source.read_text().replace("unknown", "0.53, at last") + "# better\n")
    assert stale_reasons(origin) == []


@pytest.mark.parametrize("file", ["mine.py", "parent.py"])
def test_an_edited_config_or_parent_is_called_out_with_both_values(origin, source, file) -> None:
    with (source.parent / file).open("a") as edited:
        edited.write("optim_wrapper = dict(optimizer=dict(lr=7.0))\nwork_dir = 'x'\n")
    (reason,) = stale_reasons(origin)
    assert reason.startswith(f"{source.parent / 'run'}: {source} has changed since the training: ")
    assert reason.endswith("optim_wrapper.optimizer.lr was 0.001, is 7.0")


def test_what_the_command_line_had_set_is_not_the_files_affair(origin, source) -> None:
    with source.open("a") as edited:
        edited.write("head = dict(scale=30.0)\ndata = dict(data_root='there')\n")
    assert stale_reasons(origin) == []


def test_many_changes_are_counted(origin, source) -> None:
    with source.open("a") as edited:
        edited.write("head = dict(margin=0.1, dropout=0.9)\nrandomness = dict(seed=9)\n")
        edited.write("train_dataloader = dict(batch_size=5, num_workers=1)\n")
    (reason,) = stale_reasons(origin)
    assert "head.dropout was 0.2, is 0.9; head.margin was 0.4, is 0.1; " in reason
    assert reason.endswith(" and 1 more")


def test_a_test_by_another_config_is_called_out(origin, source) -> None:
    other = load_config(CONFIGS / "mobilenet_v2_arcface.py", OPTIONS).pretty_text
    (reason,) = stale_reasons({**origin, "config": other})
    assert "head.margin was 0.4, is 0.2" in reason


def test_a_config_that_is_broken_or_gone_stops_nothing(origin, source) -> None:
    source.write_text("_base_ = [")
    (reason,) = stale_reasons(origin)
    assert "its config cannot be compared" in reason
    source.unlink()
    assert stale_reasons(origin) == []


def test_changed_code_is_called_out_with_both_commits(origin) -> None:
    other = {**code_version(), "hash": "another", "commit": "0123456789abcdef", "dirty": True}
    (reason,) = stale_reasons({**origin, "code": other})
    assert "mmmask's code changed between training (commit " in reason
    assert reason.endswith(" and prediction (0123456789+)")


def test_weights_written_over_or_removed_are_called_out(origin) -> None:
    path = Path(origin["checkpoint"])
    path.write_bytes(b"of a later run")
    (reason,) = stale_reasons(origin)
    assert reason == f"{path}: has been written over since it was predicted from"
    path.unlink()
    (reason,) = stale_reasons(origin)
    assert "is no longer there" in reason


def test_a_run_without_a_card_cannot_be_judged(origin) -> None:
    (Path(origin["checkpoint"]).parent / "card.json").unlink()
    (reason,) = stale_reasons(origin)
    assert "it is unknown whether its config is stale" in reason


def test_an_ensemble_is_as_stale_as_the_tables_it_names(origin, source, tmp_path) -> None:
    path = tmp_path / "member.parquet"
    write_table(path, TABLE, PREDICTIONS, origin)
    named = {"members": [{"path": str(path), "hash": file_hash(path), "weight": 0.5}]}
    inside = {"composed_of": [{**named["members"][0], "provenance": origin}]}
    assert checkpoints_of(named) == checkpoints_of(inside) == [Path(origin["checkpoint"])]
    assert stale_reasons(named) == stale_reasons(inside) == []
    Path(origin["checkpoint"]).write_bytes(b"of a later run")
    assert stale_reasons(named) == stale_reasons(inside) == stale_reasons(origin) != []
    write_table(path, TABLE, PREDICTIONS, {})
    (reason,) = stale_reasons(named)
    assert reason == f"{path}: has been written over since it was predicted from"


def test_a_table_that_names_itself_ends(tmp_path) -> None:
    path = tmp_path / "self.parquet"
    write_table(path, TABLE, PREDICTIONS, {"members": [{"path": str(path), "hash": "of before"}]})
    named = {"path": str(path), "hash": file_hash(path)}
    assert len(stale_reasons(named)) == 1
