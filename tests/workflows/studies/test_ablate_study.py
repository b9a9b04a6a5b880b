"""The order of an ablation, with stand-ins for training and testing; real ones in tests/tools."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmmask.errors import InputError
from mmmask.tables import PREDICTIONS, PROBABILITIES, write_table
from mmmask.workflows.studies.ablate import Ablation, ablate, announce, compare

CONFIGS = Path(__file__).parents[3] / "configs"
BASELINE, FOCAL = CONFIGS / "mobilenet_v2_linear.py", CONFIGS / "mobilenet_v2_focal.py"

#: Stands in for ``studies.step``.
STEP = """
import json, shutil, sys
from pathlib import Path
name, config, given = sys.argv[1:]
given = json.loads(given)
if name == "train":
    folder = Path(given["work_dir"])
    with open(folder.parents[1] / "log.txt", "a") as log:
        log.write(f"train {Path(config).stem} {given['seed']}\\n")
    if (folder.parents[1] / "stop").exists() and given["seed"] == 1:
        raise SystemExit(2)
    (folder / "last_checkpoint").write_text("/elsewhere/epoch_6.pth")
else:
    assert name == "test"
    out = Path(given["out"])
    assert given["checkpoint"] == str(out.parent / "epoch_6.pth") and given["split"] == "val"
    shutil.copy(out.parents[2] / f"{Path(config).stem}.parquet", out)
"""


def predictions(right: float, people: int = 60) -> pd.DataFrame:
    """Predict seven photos of each person, of which a share is right."""
    random = np.random.default_rng(0)
    person = np.repeat(np.arange(people), 7)
    truth = random.integers(0, 18, len(person))
    predicted = np.where(random.random(len(person)) < right, truth, (truth + 1) % 18)
    table = pd.DataFrame(np.eye(18)[predicted], columns=list(PROBABILITIES))
    table.insert(0, "image", [f"{row}.jpg" for row in range(len(person))])
    return table.assign(label=truth, person=person.astype(str))


@pytest.fixture
def study(tmp_path, stand_in) -> Ablation:
    stand_in(STEP)
    out = tmp_path / "out"
    for config, right in ((BASELINE, 0.5), (FOCAL, 0.7)):
        write_table(out / f"{config.stem}.parquet", predictions(right), PREDICTIONS)
    return Ablation(configs=[BASELINE, FOCAL], seeds=[0, 1], out=out)


def trained(study: Ablation) -> list[str]:
    return (study.out / "log.txt").read_text().splitlines()


def test_each_config_is_trained_with_each_seed_and_compared(study) -> None:
    table = ablate(study)
    assert trained(study) == [
        f"train {config.stem} {seed}" for seed in (0, 1) for config in (BASELINE, FOCAL)
    ]
    (row,) = table.itertuples()
    assert (row.variant, row.blocks, row.people, row.photos) == (FOCAL.stem, "head", 60, 420)
    assert row.difference == pytest.approx(row.macro_f1 - row.baseline)
    assert row.low < row.difference < row.high
    assert row.verdict == "shown"
    assert "head.dropout: 0.2 -> 0.4" in row.changes


def test_finished_runs_are_kept_and_the_others_made(study) -> None:
    (study.out / "stop").touch()
    with pytest.raises(InputError, match=r"^train mobilenet_v2_linear\.py refuses its input"):
        ablate(study)
    (study.out / "stop").unlink()
    ablate(study)
    names = [f"train {config.stem}" for config in (BASELINE, FOCAL)]
    assert trained(study) == [
        f"{names[0]} 0", f"{names[1]} 0", f"{names[0]} 1", f"{names[0]} 1", f"{names[1]} 1",
    ]  # fmt: skip


def test_a_run_of_another_config_is_not_taken_for_this_one(study) -> None:
    ablate(study)
    other = Ablation(**{**vars(study), "options": ["head.dropout=0.5"]})
    with pytest.raises(InputError, match=r"seed_0: holds a run of another config, 1 .* head\.drop"):
        ablate(other)


def test_other_people_are_no_comparison(study, tmp_path) -> None:
    config = tmp_path / "other_fold.py"
    config.write_text(f"_base_ = [{str(FOCAL)!r}]\ndata = dict(fold=1)\n")
    with pytest.raises(InputError, match=r"data\.fold must be the baseline's, 0; got 1"):
        ablate(Ablation(**{**vars(study), "configs": [BASELINE, config]}))


def test_a_config_compared_with_itself_is_refused(study) -> None:
    with pytest.raises(InputError, match="variants of other names"):
        ablate(Ablation(**{**vars(study), "configs": [BASELINE, BASELINE]}))


@pytest.mark.parametrize(
    ("leaf", "why"),
    [
        ("linear_everybody", "nobody is left to compare on"),
        ("mask", "models one attribute"),
        ("age_dldl", "models one attribute"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_runs(study, leaf, why) -> None:
    config = CONFIGS / f"mobilenet_v2_{leaf}.py"
    with pytest.raises(InputError, match=rf"{config.name}: .*{why}"):
        ablate(Ablation(**{**vars(study), "configs": [BASELINE, config]}))
    assert not (study.out / "log.txt").exists()


def verdict(baseline: list[pd.DataFrame], variant: list[pd.DataFrame]) -> str:
    plans = {BASELINE: {"head": 1}, FOCAL: {"head": 2}}
    return compare({BASELINE: baseline, FOCAL: variant}, plans)["verdict"].item()


def test_shown_needs_people_and_seeds_that_agree() -> None:
    bad, good, better = predictions(0.3), predictions(0.6), predictions(0.8)
    assert verdict([bad] * 3, [good, predictions(0.62), predictions(0.64)]) == "shown"
    assert verdict([bad, bad], [good, better]) == "not shown"  # of two that differ, a third might
    assert verdict([bad], [good]) == "not shown"  # one seed
    assert verdict([bad, good], [better, bad]) == "not shown"  # seeds disagree
    assert verdict([good, good], [good, good]) == "not shown"


def test_photos_and_labels_must_be_the_same_in_any_order() -> None:
    table = predictions(0.5)
    plans = {BASELINE: {"head": 1}, FOCAL: {"head": 2}}
    shuffled = table.sample(frac=1, random_state=0)
    row = compare({BASELINE: [table], FOCAL: [shuffled]}, plans).iloc[0]
    assert row["difference"] == 0
    with pytest.raises(InputError, match="different photos"):
        compare({BASELINE: [table], FOCAL: [table.iloc[1:]]}, plans)
    with pytest.raises(InputError, match="different true classes"):
        changed = table.assign(label=(table["label"] + 1) % 18)
        compare({BASELINE: [table], FOCAL: [changed]}, plans)


def test_more_than_one_change_is_warned_of(capsys) -> None:
    announce({BASELINE: {"head.a": 1, "data.b": 2}, FOCAL: {"head.a": 2, "data.b": 2}})
    assert "warning" not in capsys.readouterr().out
    announce({BASELINE: {"head.a": 1, "data.b": 2}, FOCAL: {"head.a": 2, "data.b": 3}})
    assert "data.b: 2 -> 3" in (out := capsys.readouterr().out)
    assert "warning: more than one thing" in out
