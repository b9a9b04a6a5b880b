"""People whose photos a made-up model sees as well as can be, but is too sure of."""

import numpy as np
import pandas as pd

from mmmask.labels import encode, product
from mmmask.tables import PROBABILITIES

#: Shares of gender and age group, (2, 3): few are old, as in the competition.
TRAINING = np.array([[0.20, 0.15, 0.04], [0.27, 0.29, 0.05]])
#: More men, and many old.
SHIFTED = np.array([[0.26, 0.16, 0.19], [0.16, 0.11, 0.12]])
#: How much too sure the model is of mask, gender and age.
TOO_SURE = {"mask": 0.6, "gender": 1.2, "age": 1.8}


def simulate_people(people, shares=TRAINING, *, seed=0, skill=1.6, too_sure=TOO_SURE):
    """Return labels, probabilities and persons of seven photos each, in random order of people.

    A photo shows a noisy score of each attribute; by Bayes' rule and the shares of training
    follow its probabilities, which the model then overdoes.
    """
    random = np.random.default_rng(seed)
    cell = random.choice(6, people, p=shares.ravel() / shares.sum())
    person = np.repeat(np.arange(people), 7)
    values = {
        "mask": np.tile([0, 0, 0, 0, 0, 1, 2], people),
        "gender": (cell // 3)[person],
        "age": (cell % 3)[person],
    }
    prior = {"mask": [5, 1, 1], "gender": TRAINING.sum(axis=1), "age": TRAINING.sum(axis=0)}
    parts = {}
    for name, value in values.items():
        classes = len(prior[name])
        centre = {"mask": 3.0, "gender": 1.2, "age": 1.0}[name] * skill * np.eye(classes)
        noise = 0.8 * random.normal(size=(people, classes))[person]
        if name == "mask":
            noise = 0.8 * random.normal(size=(len(person), classes))
        score = centre[value] + noise + 0.6 * random.normal(size=(len(person), classes))
        distance = ((score[:, None] - centre) ** 2).sum(axis=2)
        p = np.asarray(prior[name]) * np.exp(-0.5 * distance)
        p = (p / p.sum(axis=1, keepdims=True)) ** too_sure[name]
        parts[name] = p / p.sum(axis=1, keepdims=True)
    return encode(**values), product(parts).astype(np.float32), person


def table_of(labels, probabilities, person, prefix="train"):
    """Return a predictions table."""
    table = pd.DataFrame(probabilities, columns=list(PROBABILITIES))
    table.insert(0, "image", [f"{prefix}/{row}.jpg" for row in range(len(labels))])
    return table.assign(label=labels, person=[f"{prefix}{who}" for who in person], fold=person % 5)
