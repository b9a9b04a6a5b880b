"""Each tool that takes predictions refuses what are none, by file and photo, and writes nothing."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmmask.datasets.layout import read_train, with_labels
from mmmask.labels import ATTRIBUTES
from mmmask.tables import LABEL_ISSUES, predictions_table, write_table
from tests.bad_predictions import FAULTS, refusal, spoilt

#: Which row of a bad table is at fault.
ROW = 3
#: Commands, of which GOOD, BAD and so on are files. BAD_EVAL is of photos of the test set.
COMMANDS = (
    "score.py BAD",
    "score.py GOOD BAD",
    "calibrate.py BAD --out out.json",
    "label_errors.py BAD --data-root DATA --out out.csv",
    "label_errors.py GOOD BAD --data-root DATA --out out.csv",
    "review.py ISSUES --oof BAD --data-root DATA --port 0 --out out.csv",
    "compare.py GOOD BAD --out out.html",
    "prior_shift.py BAD --oof GOOD --out out.csv",
    "prior_shift.py GOOD --oof BAD --out out.csv",
    "prior_shift.py BAD --simulate 2 --out out",
    "pseudo_label.py BAD_EVAL --out out.csv",
    "ensemble.py GOOD BAD --out out.csv",
    "ensemble.py GOOD BAD --vote hard --out out.csv",
    "ensemble.py GOOD BAD --vote stack --out out.csv",
    "ensemble.py GOOD OTHER --oof GOOD BAD --vote soft --out out.csv",
    "ensemble.py BAD_MASK GENDER AGE --compose --out out.csv",
)


@pytest.fixture(scope="module")
def samples(drawn) -> pd.DataFrame:
    return with_labels(read_train(drawn))[["image", "label", "person"]]


@pytest.fixture(scope="module")
def made(samples, tmp_path_factory) -> Callable[[str, str], Path]:
    """Return a function that returns the file of a command's table, BAD ones with a fault."""
    folder = tmp_path_factory.mktemp("predictions")

    def path_of(name: str, fault: str) -> Path:
        bad, kind = name.startswith("BAD"), name.split("_")[-1].lower()
        path = folder / f"{name}{fault if bad else ''}.parquet".replace(" ", "_")
        if name == "ISSUES":
            person = samples["person"].iloc[0]
            issue = dict(zip(LABEL_ISSUES, ("age", person, "*", "age", "33", 1.0), strict=False))
            write_table(path, pd.DataFrame([issue]), LABEL_ISSUES)
        elif not path.exists():
            attribute = kind if kind in ATTRIBUTES else None
            size = 18 if attribute is None else len(ATTRIBUTES[kind])
            values = np.random.default_rng(len(name)).dirichlet(np.ones(size), len(samples))
            photos = samples
            if kind == "eval":
                photos = samples.assign(image=samples["image"].str.replace("train", "eval"))
            values = spoilt(values, ROW, fault) if bad else values
            predictions_table(photos, values, attribute=attribute).to_parquet(path)
        return path

    return path_of


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("fault", FAULTS)
def test_no_tool_takes_what_are_no_probabilities(
    samples, made, drawn, refused, tmp_path, command, fault
) -> None:
    def argument(word: str) -> object:
        if word == "DATA":
            return drawn
        if word.isupper():
            return made(word, fault)
        return tmp_path / word if word.startswith("out") else word

    tool, *words = command.split()
    image = samples["image"][ROW].replace("train", "eval" if "BAD_EVAL" in words else "train")
    bad = next(made(word, fault) for word in words if word.startswith("BAD"))
    assert re.search(refusal(bad, ROW, image), refused(tool, *map(argument, words)))
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size]
