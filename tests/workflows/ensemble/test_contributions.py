import numpy as np
import pytest
from simulated_tables import simulated, unlabelled

from mmmask.evaluation.intervals import macro_f1_interval, paired_difference
from mmmask.tables import probabilities, read_predictions
from mmmask.workflows.ensemble.combine import ensemble


@pytest.fixture
def out(tmp_path):
    return tmp_path / "ensemble.parquet"


def test_each_member_is_scored_alone_and_left_out(three, out) -> None:
    rows = ensemble(three, out=out).members
    tables = [probabilities(read_predictions(path)) for path in three]
    truth, person = simulated()["label"].to_numpy(), simulated()["person"].to_numpy()
    together = np.mean(tables, axis=0).argmax(axis=1)
    assert rows["member"].tolist() == ["weak.parquet", "fair.parquet", "good.parquet", "ensemble"]
    for number, table in enumerate(tables):
        row = rows.iloc[number]
        answers = table.argmax(axis=1)
        alone = macro_f1_interval(person, truth, [answers])
        assert (row.macro_f1, row.macro_f1_low, row.macro_f1_high) == pytest.approx(
            (alone.value, alone.low, alone.high)
        )
        others = np.mean([t for k, t in enumerate(tables) if k != number], axis=0).argmax(axis=1)
        helps = paired_difference(person, truth, [together], [others])
        assert (row.helps, row.helps_low, row.helps_high) == pytest.approx(
            (helps.value, helps.low, helps.high)
        )
        assert row.agrees == np.mean(answers == together)
        assert row.changes == np.mean(others != together)
    assert rows["macro_f1"].iloc[-1] == macro_f1_interval(person, truth, [together]).value


def test_without_labels_there_are_agreement_and_changes_alone(write, out) -> None:
    paths = [write(f"{k}.parquet", unlabelled(simulated(seed=k))) for k in range(3)]
    found = ensemble(paths, out=out)
    assert list(found.members) == ["member", "agrees", "changes"]
    assert found.people is None and found.gain is None


def test_members_of_unlabelled_photos_are_judged_out_of_fold(write, out) -> None:
    paths = [write(f"{k}.parquet", unlabelled(simulated(seed=k))) for k in range(2)]
    oof = [write(f"oof_{k}.parquet", simulated(seed=5 + k)) for k in range(2)]
    found = ensemble(paths, oof=oof, out=out)
    assert found.members["macro_f1"].notna().all()
    assert found.people == 40
    answers = [probabilities(read_predictions(path)).argmax(axis=1) for path in paths]
    assert found.agreement["class"][0, 1] == np.mean(answers[0] == answers[1])


def test_without_a_member_of_a_hard_vote_the_others_vote(three, out) -> None:
    rows = ensemble(three, vote="hard", out=out).members
    without = ensemble(three[:2], vote="hard", out=out).prediction.table
    together = ensemble(three, vote="hard", out=out).prediction.table
    labels = [probabilities(table).argmax(axis=1) for table in (together, without)]
    assert rows["changes"][2] == np.mean(labels[0] != labels[1])


def test_without_a_member_a_stack_is_fitted_anew(three, out) -> None:
    rows = ensemble(three, vote="stack", out=out).members
    without = ensemble(three[1:], vote="stack", out=out).prediction.table
    together = ensemble(three, vote="stack", out=out).prediction.table
    labels = [probabilities(table).argmax(axis=1) for table in (together, without)]
    assert rows["changes"][0] == np.mean(labels[0] != labels[1])


def test_where_nobody_knows_the_people_photos_are_resampled(write, out) -> None:
    bare = [simulated(seed=k).drop(columns="person") for k in range(2)]
    found = ensemble([write(f"{k}.parquet", table) for k, table in enumerate(bare)], out=out)
    assert found.people is None
    widths = found.members["macro_f1_high"] - found.members["macro_f1_low"]
    known = ensemble([write(f"k{k}.parquet", simulated(seed=k)) for k in range(2)], out=out)
    assert not np.allclose(widths, known.members["macro_f1_high"] - known.members["macro_f1_low"])
