"""Tables of simulated models."""

import numpy as np
import pandas as pd
from scipy.special import softmax

from mmmask.labels import group_slices, marginals
from mmmask.tables import ATTRIBUTE_PROBABILITIES, PROBABILITIES, year_columns

STATED = {"split": "oof", "old_from": 60, "data_fingerprint": "one", "tta": []}


def simulated(skill: float = 1.5, *, people: int = 40, seed: int = 0) -> pd.DataFrame:
    """Predictions of seven photos of each person, of one gender and age.

    The model sees the class through noise of its own, drawn by ``seed``, and makes of that the
    best it can: it knows how common mask states are, and how far it can trust itself.
    """
    person = np.repeat(np.arange(people), 7)
    of_person = np.random.default_rng(0).integers(0, 6, people)
    labels = np.tile([0, 0, 0, 0, 0, 6, 12], people) + of_person[person]
    noise = np.random.default_rng([seed, 7]).normal(size=(len(person), 18))
    seen = skill * np.eye(18)[labels] + noise
    share = np.repeat([5 / 7, 1 / 7, 1 / 7], 6)
    values = softmax(skill * seen + np.log(share), axis=1).astype(np.float32)
    table = pd.DataFrame(values, columns=list(PROBABILITIES))
    table.insert(0, "image", [f"train/images/{who}/{k % 7}.jpg" for k, who in enumerate(person)])
    return table.assign(label=labels, person=[f"p{who}" for who in person])


def disturbed(table: pd.DataFrame, noise: float, seed: int) -> pd.DataFrame:
    """Return predictions that differ from others by a little noise alone."""
    random = np.random.default_rng(seed)
    logits = np.log(table[list(PROBABILITIES)].to_numpy())
    logits += noise * random.normal(size=logits.shape)
    values = pd.DataFrame(softmax(logits, axis=1).astype(np.float32), columns=list(PROBABILITIES))
    return table.assign(**values)


def blind(table: pd.DataFrame) -> pd.DataFrame:
    """Return predictions as sure as before, each of another photo."""
    values = table[list(PROBABILITIES)].sample(frac=1, random_state=0).reset_index(drop=True)
    return table.assign(**values)


def unlabelled(table: pd.DataFrame) -> pd.DataFrame:
    """Return the predictions as of photos to be classified: nobody knows who is in them."""
    names = "eval/images/" + table["image"].str.replace("train/images/", "").str.replace("/", "-")
    return table.drop(columns="label").assign(image=names, person="")


def with_years(table: pd.DataFrame, old_from: int = 60) -> pd.DataFrame:
    """Return the predictions with years that agree with them, spread evenly from 20 to 69."""
    ages = marginals(table[list(PROBABILITIES)].to_numpy())["age"]
    years = np.zeros((len(table), 121))
    for group, part in enumerate(group_slices((30, old_from))):
        within = slice(max(part.start, 20), min(part.stop, 70))
        years[:, within] = ages[:, [group]] / (within.stop - within.start)
    return pd.concat([table, year_columns(years)], axis=1)


def attribute_alone(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return what a model of one attribute would predict."""
    values = marginals(table[list(PROBABILITIES)].to_numpy())[name]
    part = pd.DataFrame(values, columns=list(ATTRIBUTE_PROBABILITIES[name]))
    return pd.concat([table[["image", "label", "person"]], part], axis=1)
