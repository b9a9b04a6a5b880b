"""Which spaces fit a config, and how those that do not are refused."""

import re
from pathlib import Path

import optuna
import pytest

from mmmask.errors import InputError
from mmmask.workflows.studies.sweep_space import Parameter, read_space

CONFIGS = Path(__file__).parents[3] / "configs"
CONFIG = CONFIGS / "mobilenet_v2_arcface.py"
LR = "optim_wrapper.optimizer.lr"


@pytest.fixture
def read(tmp_path):
    """Return a function that reads a space, given as the text of its dict."""

    def read(text: str, config: Path = CONFIG, **options: object) -> list[Parameter]:
        path = tmp_path / "space.py"
        path.write_text(f"space = {text}\n")
        return read_space(path, config, {key.replace("__", "."): options[key] for key in options})

    return read


#: Other spaces are of tools/ablate.py.
SPACES = [
    path
    for path in sorted((CONFIGS / "spaces").glob("*.py"))
    if "tools/sweep.py" in path.read_text()
]


@pytest.mark.parametrize("path", SPACES, ids=lambda p: p.stem)
def test_each_shipped_space_fits_the_config_that_it_names(path: Path) -> None:
    config = re.search(r"python tools/sweep\.py (configs/\w+\.py) --space (\S+)", path.read_text())
    assert config[2] == f"configs/spaces/{path.name}"
    assert read_space(path, CONFIGS.parent / config[1], {})


def test_values_come_with_what_the_config_has(read) -> None:
    rate, margin = read(
        f"{{{LR!r}: dict(type='float', low=1e-4, high=1e-2, log=True),"
        "'head.margin': dict(type='float', low=0, high=0.4)}",
        head__margin=0.1,
    )
    assert (rate.default, rate.low, rate.high, rate.log) == (1e-3, 1e-4, 1e-2, True)
    assert (margin.default, margin.start) == (0.1, 0.1)


def test_choices_of_any_kind_come_back_from_a_study_as_they_are(read) -> None:
    choices = (
        "[[dict(type='RandomFlip', prob=0.5, direction='horizontal')], [], "
        "[dict(type='MouthCutout', prob=0.5)]]"
    )
    (parameter,) = read(f"{{'augmentations': dict(type='categorical', choices={choices})}}")
    study = optuna.create_study()
    study.enqueue_trial({"augmentations": parameter.start})
    assert parameter.suggest(study.ask()) == parameter.default
    seen = [parameter.suggest(study.ask()) for _ in range(30)]
    assert all(value in parameter.choices for value in seen)
    assert [] in seen
    (size,) = read("{'preprocessing.size': dict(type='categorical', choices=[(64,48),(160,120)])}")
    assert {size.suggest(study.ask()) for _ in range(20)} == {(64, 48), (160, 120)}


def test_whole_numbers_stay_whole(read) -> None:
    (epochs,) = read("{'train_cfg.max_epochs': dict(type='int', low=2, high=8, log=True)}")
    study = optuna.create_study()
    assert {type(epochs.suggest(study.ask())) for _ in range(5)} == {int}
    assert epochs.largest == 8


NUMBER = "dict(type='float', low=0.0, high=0.4)"
REFUSED = {
    "{'head.margin': dict(type='flaot', low=0, high=1)}": "'head.margin'.*categorical; got 'flaot'",
    "{'head.margin': 0.3}": "type must be one of float, int, categorical; got 0.3",
    "{'head.margin': dict(type='float', low=0)}": "low, high, log; high is missing",
    "{'head.margin': dict(type='float', low=0, high=1, step=.1)}": "low, high, log; got step",
    "{'head.margin': dict(type='float', low=1, high=0)}": "low < high must be numbers; got 1 and 0",
    "{'head.margin': dict(type='float', low='0', high=1)}": "low < high must be numbers; got '0'",
    "{'head.margin': dict(type='float', low=0, high=1, log=True)}": "log must be True, with low",
    "{'head.margin': dict(type='categorical', choices=[0.2])}": "a list of at least 2; got",
    "{'head.margin': dict(type='categorical', choices=[0.2, 1, 1])}": "must differ; got 1 twice",
    f"{{'head.margn': {NUMBER}}}": r"has no such value, but head\.margin; .*--cfg-options",
    f"{{'head.margin.x': {NUMBER}}}": "has no such value",
    f"{{'param_scheduler.7.end': {NUMBER}}}": "has no such value",
    "{'head.margin': dict(type='float', low=0.3, high=0.4)}": "config's own value, 0.2, .* got",
    "{'train_cfg.max_epochs': dict(type='int', low=2.5, high=8)}": "must be whole numbers",
    "{'head.type': dict(type='float', low=0, high=1)}": "own value, 'MaskArcFaceHead'",
    f"{{'head.margin': {NUMBER}, 'head': dict(type='categorical', choices=[1, 2])}}": "is part of",
    "{'data.fold': dict(type='int', low=0, high=4)}": r"data\.fold must be the same for all",
    "{'data': dict(type='categorical', choices=[1, 2])}": "must be the same for all trials",
    "{'randomness.seed': dict(type='int', low=0, high=9)}": "randomness must be the same",
    "{'tta.enabled': dict(type='categorical', choices=[True, False])}": "would change nothing",
    "{}": "space must be a dict of dotted name",
    "{1: 2}": "space must be a dict of dotted name",
    "[1]": "space must be a dict of dotted name",
    "{'a': 1}\nspaces = 3": "must state `space` and nothing else; got space, spaces",
    "1 / 0": "not a readable space: division by zero",
    "(": "not a readable space",
}


@pytest.mark.parametrize("text", REFUSED, ids=list(REFUSED))
def test_a_space_at_fault_gets_one_sentence_that_names_the_value(read, text: str) -> None:
    with pytest.raises(InputError, match=REFUSED[text]) as error:
        read(text)
    assert "space.py: " in str(error.value)
    assert "\n" not in str(error.value)


def test_a_composed_config_has_values_of_blocks_and_of_mmengine(read, tmp_path) -> None:
    from mmmask.config import load_config

    complete = tmp_path / "complete.py"
    load_config(CONFIG).dump(complete)  # as a run writes it
    for name in ("head.margin", "model.head.margin"):
        assert read(f"{{'{name}': {NUMBER}}}", complete)


def test_files_that_are_no_space_are_refused(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="no such space file"):
        read_space(tmp_path / "none.py", CONFIG, {})
    (tmp_path / "space.txt").touch()
    with pytest.raises(InputError, match=r"a space must end in \.py; got \.txt"):
        read_space(tmp_path / "space.txt", CONFIG, {})
