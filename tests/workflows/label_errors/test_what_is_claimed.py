"""How many labels are said to be wrong, and how surely: on people whose errors are known."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, softmax

from mmmask.datasets.layout import MASK_OF_STEM
from mmmask.labels import MASKS, NUM_YEARS, age_group, group_probabilities
from mmmask.workflows.label_errors.find import HeldOut, age_issues, gender_issues, mask_issues

FINDERS = {"gender": gender_issues, "mask": mask_issues, "age": age_issues}
STEMS = list(MASK_OF_STEM)
PEOPLE = 700


@dataclass(frozen=True)
class Simulated:
    """People, and which labels are wrong: kind -> (person, photo) of the label issues to find."""

    held_out: HeldOut
    wrong: dict[str, set[tuple[str, str]]]

    def labels_wrong(self, kind: str) -> int:
        """Return how many labels are wrong; a swap is two."""
        twice = kind == "mask"
        return sum(2 if twice and photo == "*" else 1 for _, photo in self.wrong[kind])


def posterior(values, states, spread, prior, random):
    """Return by Bayes' rule how probable each state is of what was seen of its value, with noise.

    Half of the variance of the noise is the person's, half the photo's.
    """
    noise = random.normal(size=(PEOPLE, 1, values.shape[2]))
    noise = np.sqrt(0.5) * (noise + random.normal(size=values.shape))
    distance = ((values + spread * noise)[:, :, None] - states) ** 2
    seen = softmax(np.log(prior) - distance.sum(axis=3) / (2 * spread**2), axis=2)
    return seen.reshape(-1, len(states))


def simulate(share: float, seed: int) -> Simulated:
    """Return people whose photos a model sees as well as can be; a share of labels is wrong.

    Of the people a share has the other gender, another one an age of another group, another one
    two exchanged photos, and another one a photo in another state of the mask.
    """
    random = np.random.default_rng(seed)
    chosen = {k: random.random(PEOPLE) < share for k in ("gender", "age", "swap", "photo")}
    names = np.array([f"{who:06d}" for who in range(PEOPLE)])
    person = np.repeat(np.arange(PEOPLE), 7)

    gender = random.integers(0, 2, PEOPLE)
    prior = np.exp(-0.5 * ((np.arange(NUM_YEARS) - 40) / 15) ** 2)
    age = random.choice(NUM_YEARS, PEOPLE, p=prior / prior.sum())
    mask = np.tile([MASKS.index(MASK_OF_STEM[stem]) for stem in STEMS], (PEOPLE, 1))
    seen_age = np.repeat(age[:, None, None].astype(float), 7, axis=1)
    parts = {
        "gender": posterior(
            np.repeat(np.eye(2)[gender][:, None], 7, axis=1), np.eye(2), 0.45, np.ones(2), random
        ),
        "mask": posterior(np.eye(3)[mask], np.eye(3), 0.25, np.array([5, 1, 1]), random),
    }
    years = posterior(seen_age, np.arange(NUM_YEARS)[:, None], 5.0, prior, random)
    parts["age"] = group_probabilities(years)

    other = random.choice(age, (PEOPLE, 200))  # ages as common as they are, of another group
    elsewhere = (age_group(other) != age_group(age)[:, None]).argmax(axis=1)
    labels = {
        "gender": np.where(chosen["gender"], 1 - gender, gender)[person],
        "mask": mask.copy(),
    }
    ages = np.where(chosen["age"], other[np.arange(PEOPLE), elsewhere], age)
    one, two = (STEMS.index(stem) for stem in ("incorrect_mask", "normal"))
    chosen["photo"] &= ~chosen["swap"]
    labels["mask"][np.ix_(chosen["swap"], [one, two])] = mask[0, [two, one]]
    photo = random.integers(0, 7, PEOPLE)
    for who in np.flatnonzero(chosen["photo"]):
        state = mask[who, photo[who]] + random.integers(1, 3)
        labels["mask"][who, photo[who]] = state % 3
    labels["mask"] = labels["mask"].ravel()
    labels["age"] = age_group(ages)[person]

    images = [f"{name}/{stem}.jpg" for name in names for stem in STEMS]
    samples = pd.DataFrame({"image": images, "age": ages[person]})
    first = np.arange(0, len(person), 7)
    held_out = HeldOut(
        samples, labels, {k: [part] for k, part in parts.items()}, [years], names, person, first
    )
    wrong = {kind: {(name, "*") for name in names[chosen[kind]]} for kind in ("gender", "age")}
    wrong["mask"] = {(name, "*") for name in names[chosen["swap"]]} | {
        (names[who], STEMS[photo[who]]) for who in np.flatnonzero(chosen["photo"])
    }
    return Simulated(held_out, wrong)


@pytest.fixture(scope="module")
def claims() -> pd.DataFrame:
    """What is claimed and true, by share of wrong labels, kind and seed."""
    rows = []
    for share in (0, 0.02, 0.05):
        for seed in range(4):
            people = simulate(share, seed)
            for kind, find in FINDERS.items():
                issues, counts = find(people.held_out)
                wrong, true = counts["wrong"], people.labels_wrong(kind)
                probability = expit([odds for *_, odds, _ in issues])
                right = np.array([(who, photo) in people.wrong[kind] for who, photo, *_ in issues])
                listed = probability >= 0.1
                rows.append(
                    {
                        "share": share,
                        "kind": kind,
                        "true": true,
                        "wrong": wrong.value,
                        "low": wrong.low,
                        "covered": wrong.low <= true <= wrong.high,
                        "listed": listed.sum(),
                        "claimed": probability[listed].sum(),
                        "found": right[listed].sum(),
                    }
                )
    return pd.DataFrame(rows)


@pytest.mark.parametrize("kind", FINDERS)
def test_without_wrong_labels_none_is_expected_or_listed(claims, kind) -> None:
    clean = claims[(claims["share"] == 0) & (claims["kind"] == kind)]
    assert clean["true"].eq(0).all()
    assert clean["wrong"].mean() < 0.5
    assert clean["low"].eq(0).all()
    assert clean["listed"].mean() <= 1
    assert clean["claimed"].mean() < 0.2


@pytest.mark.parametrize("kind", ["gender", "mask"])
@pytest.mark.parametrize("share", [0.02, 0.05])
def test_as_many_labels_are_expected_to_be_wrong_as_are(claims, share, kind) -> None:
    found = claims[(claims["share"] == share) & (claims["kind"] == kind)]
    assert found["wrong"].mean() == pytest.approx(found["true"].mean(), rel=0.2)
    assert found["covered"].sum() >= 3
    assert found["low"].gt(0).all()
    assert found["claimed"].sum() == pytest.approx(found["found"].sum(), rel=0.12)


def test_of_ages_no_more_is_claimed_than_is_true(claims) -> None:
    found = claims[(claims["share"] == 0.05) & (claims["kind"] == "age")]
    assert found["low"].gt(0).all()
    assert (found["low"] < found["true"]).all()
    assert found["claimed"].sum() < found["found"].sum()
    assert found["found"].sum() > 0.3 * found["true"].sum()
