"""Models that see the true class through noise of their own."""

import numpy as np
from scipy.special import softmax


def models(skills, people=60, seed=0, shared=0.0, sharpness=1.0):
    """Seven photos of each person, and models with noise of their own around the true class."""
    random = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), 7)
    truth = random.integers(0, 18, len(person))
    common = random.normal(size=(len(person), 18))
    tables = []
    for skill in skills:
        own = random.normal(size=(len(person), 18))
        logits = skill * np.eye(18)[truth] + shared * common + (1 - shared) * own
        tables.append(softmax(sharpness * logits, axis=1).astype(np.float32))
    return tables, truth, person
