"""The people and labels that techniques learn from."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from mmmask.datasets.features import Features
from mmmask.datasets.layout import MASK_OF_STEM, with_labels
from mmmask.errors import InputError
from mmmask.labels import age_group
from mmmask.workflows.studies.technique_data import (
    FeatureFiles,
    learned_from,
    noisy,
    self_corrected,
    thinned,
)
from mmmask.workflows.studies.technique_space import Technique

PEOPLE = 180


def everybody() -> pd.DataFrame:
    """Return the seven photos of each person; ages and genders are those of the number."""
    ages, genders = (22, 45, 60), ("male", "female")
    rows = [
        (
            f"train/images/{who:03}/{stem}.jpg",
            f"{who:03}",
            mask,
            genders[who % 2],
            ages[who // 2 % 3],
        )
        for who in range(PEOPLE)
        for stem, mask in MASK_OF_STEM.items()
    ]
    samples = pd.DataFrame(rows, columns=["image", "person", "mask", "gender", "age"])
    return with_labels(samples.astype({"age": "Int16"}))


def no_fit(samples, images):
    raise AssertionError("nothing is to be fitted")


def learned(technique: Technique, fit=no_fit, unlabelled=()) -> pd.DataFrame:
    given = {"seed": 3, "old_from": 60, "fit": fit, "unlabelled": unlabelled}
    return learned_from(technique, everybody(), **given)


def test_without_wishes_the_samples_stay_as_they_are() -> None:
    pd.testing.assert_frame_equal(learned(Technique(name="t")), everybody())


def test_more_people_hold_the_fewer() -> None:
    few, more = (set(thinned(everybody(), share, seed=1)["person"]) for share in (0.25, 0.5))
    assert (len(few), len(more)) == (45, 90)
    assert few < more
    assert few != set(thinned(everybody(), 0.25, seed=2)["person"])


def test_wrong_labels_are_of_whole_people_and_of_one_attribute_each() -> None:
    right, wrong = everybody(), noisy(everybody(), 0.1, 60, seed=1)
    changed = right["label"] != wrong["label"]
    people = right["person"][changed].unique()
    assert len(people) == 18
    assert changed.sum() == 18 * 7
    gender = (right["gender"] != wrong["gender"]).to_numpy()
    group = age_group(right["age"].to_numpy(int)) != age_group(wrong["age"].to_numpy(int))
    assert not (gender & group).any()
    assert gender.any() and group.any()
    assert set(people) > set(right["person"][noisy(right, 0.05, 60, 1)["label"] != right["label"]])


def test_labels_that_other_people_refute_are_corrected() -> None:
    truth = everybody()
    given = noisy(truth, 0.02, 60, seed=1)
    assert (given["label"] != truth["label"]).sum() == 4 * 7
    # Some people are harder to see than others, as real ones are.
    random = np.random.default_rng(0)
    seen = 9 * np.eye(18)[truth["label"].to_numpy(int)] + random.normal(size=(PEOPLE * 7, 18))
    seen += 3 * np.repeat(random.normal(size=(PEOPLE, 18)), 7, axis=0)
    answers = pd.DataFrame(softmax(seen, axis=1), index=truth["image"])

    def fit(samples: pd.DataFrame, images) -> np.ndarray:
        people = {image.split("/")[2] for image in images}
        assert not people & set(samples["person"])
        return answers.loc[list(images)].to_numpy()

    found = self_corrected(given, 60, 0, fit)
    before, after = (each["label"] != truth["label"] for each in (given, found))
    assert (~after)[before].sum() == 3 * 7
    assert after.sum() < before.sum()  # people who look unlike their label are taken for wrong


@pytest.mark.parametrize(("threshold", "count"), [(0.0, 3), (0.8, 2)])
def test_sure_photos_without_labels_join(threshold, count) -> None:
    unlabelled = ["eval/images/a.jpg", "eval/images/b.jpg", "eval/images/c.jpg"]
    answers = np.full((3, 18), 0.01)
    answers[[0, 1, 2], [4, 5, 6]] = 0.9, 0.85, 0.5

    found = learned(
        Technique(name="t", pseudo_labels=threshold), lambda samples, images: answers, unlabelled
    )
    more = found.iloc[PEOPLE * 7 :]
    assert more["label"].tolist() == [4, 5, 6][:count]
    assert more["image"].tolist() == unlabelled[:count]


def test_features_of_several_files_stand_side_by_side(tmp_path) -> None:
    images = pd.Index(["train/a", "eval/b"])
    base = Features(tmp_path / "base", images, np.arange(8, dtype=np.float32).reshape(2, 1, 4))
    more = Features(tmp_path / "more", images[:1], np.full((1, 1, 2), 9, np.float32))
    files = FeatureFiles({"base": base, "more": more}, {"part": (1, 3)})
    assert files.of(["part", "more"], ["train/a"]).tolist() == [[1, 2, 9, 9]]
    assert files.of(["part"], ["eval/b", "train/a"]).tolist() == [[5, 6], [1, 2]]
    assert files.photos("eval/") == ["eval/b"]
    assert files.digests(["base"]) != files.digests(["part"])
    with pytest.raises(InputError, match="1 of 1 photos are not in it"):
        files.of(["more"], ["eval/b"])
