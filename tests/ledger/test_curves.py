import json

import pytest

from mmmask.errors import InputError
from mmmask.ledger.curves import read_curves


def write(run, name, *rows, cut=""):
    path = run / name / "vis_data" / "scalars.json"
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + cut)


def step(epoch, number, loss=1.0):
    return {"loss": loss, "epoch": epoch, "iter": number, "step": number}


def score(epoch, macro_f1):
    return {"macro_f1": macro_f1, "step": epoch}


def test_parts_of_a_resumed_run_are_joined_in_order_and_what_was_lost_is_left_out(tmp_path):
    write(tmp_path, "20240502_1", step(2, 20, 0.5), score(2, 0.4), step(3, 30, 0.2))
    write(tmp_path, "20240501_9", step(1, 10, 3.0), score(1, 0.1), step(2, 15, 9.0), score(2, 0.9))
    curves = read_curves(tmp_path)
    assert curves.steps["step"].tolist() == [10, 20, 30]
    assert curves.steps["loss"].tolist() == [3.0, 0.5, 0.2]
    assert curves.epochs[["epoch", "macro_f1"]].to_numpy().tolist() == [[1, 0.1], [2, 0.4]]


def test_a_session_that_trained_nothing_changes_nothing(tmp_path):
    write(tmp_path, "20240501_1", step(1, 10), score(1, 0.3))
    write(tmp_path, "20240501_2")
    assert len(read_curves(tmp_path).steps) == 1
    assert read_curves(tmp_path).best_epoch == 1


def test_the_best_epoch_is_the_first_of_equals(tmp_path):
    write(tmp_path, "20240501_1", step(1, 10), score(1, 0.3), score(2, 0.5), score(3, 0.5))
    assert read_curves(tmp_path).best_epoch == 2


def test_a_run_without_curves_or_validation_has_none(tmp_path):
    assert read_curves(tmp_path).best_epoch is None
    write(tmp_path, "20240501_1", step(1, 10))
    curves = read_curves(tmp_path)
    assert (len(curves.steps), len(curves.epochs), curves.best_epoch) == (1, 0, None)


def test_a_last_line_that_was_cut_off_is_left_out_and_a_damaged_one_refused(tmp_path):
    write(tmp_path, "20240501_1", step(1, 10), {**step(2, 20), "loss": float("nan")}, cut='{"lo')
    steps = read_curves(tmp_path).steps
    assert steps["step"].tolist() == [10, 20]
    assert steps["loss"].isna().tolist() == [False, True]
    write(tmp_path, "20240501_2", step(1, 10))
    path = tmp_path / "20240501_2/vis_data/scalars.json"
    path.write_text("{\n" + path.read_text())
    with pytest.raises(InputError, match=r"scalars\.json, line 1: not readable JSON"):
        read_curves(tmp_path)
