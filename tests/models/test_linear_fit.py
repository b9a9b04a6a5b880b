"""Heads fitted on features: the same as scikit-learn, and blind to people who are held out."""

import numpy as np
import pandas as pd
import pytest
import torch
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS
from sklearn.linear_model import LogisticRegression, Ridge

import mmmask.register  # noqa: F401
from mmmask.datasets.layout import with_labels
from mmmask.datasets.splits import all_but_a_quarter
from mmmask.errors import InputError
from mmmask.labels import GENDERS, MASKS, decode, encode
from mmmask.models import linear_fit
from mmmask.models.feature_training import predict_from_features
from mmmask.models.linear_fit import check_head
from mmmask.models.losses.cross_entropy import WeightedCrossEntropyLoss

D = 12
PEOPLE = 60
LOSS = {"type": "WeightedCrossEntropyLoss"}
AGE = {"type": "RegressionAge", "distribution": "normal"}


def head(**options):
    init_default_scope("mmpretrain")
    shared = {"type": "DecomposedHead", "in_channels": D, "age": AGE, "age_groups": True}
    return MODELS.build({**shared, **options})


def fit_head(fitted, features, samples, *, Cs):
    learns = all_but_a_quarter(samples)
    return linear_fit.fit_head(fitted, features, samples, Cs=Cs, learns=learns)


@pytest.fixture
def people() -> tuple[np.ndarray, pd.DataFrame]:
    """Features in which mask, gender and age can be seen, in units of their own."""
    random = np.random.default_rng(0)
    gender, age = random.integers(2, size=PEOPLE), random.integers(18, 80, size=PEOPLE)
    person = np.repeat(np.arange(PEOPLE), 3)
    mask = np.tile(np.arange(3), PEOPLE)
    group = np.digitize(age, [30, 60])
    seen = np.stack([mask, gender[person], age[person] / 20], axis=1)
    features = seen @ random.normal(size=(3, D)) + 0.3 * random.normal(size=(len(person), D))
    samples = pd.DataFrame(
        {
            "person": person.astype(str),
            "label": encode(mask, gender[person], group[person]),
            "age": pd.array(age[person], dtype="Int16"),
        }
    )
    return (100 + 7 * features).astype(np.float32), samples


def predictions(fitted, features):
    return predict_from_features([], fitted, features[:, None], np.arange(len(features)))


def test_probabilities_are_those_of_scikit_learn_on_standardised_features(people) -> None:
    features, samples = people
    fitted = head(losses={"age": {**LOSS, "num_classes": 3, "class_weight": "inverse"}})
    fit_head(fitted, features, samples, Cs=(0.01,))
    probabilities, years = predictions(fitted, features)
    joint = probabilities.reshape(-1, 3, 2, 3)
    found = {"mask": joint.sum((2, 3)), "gender": joint.sum((1, 3)), "age": joint.sum((1, 2))}
    scaled = (features - features.mean(0)) / features.std(0)
    for name, target in decode(samples["label"].to_numpy(dtype=np.int64)).items():
        balanced = "balanced" if name == "age" else None
        expected = LogisticRegression(C=0.01, class_weight=balanced, tol=1e-6, max_iter=999)
        expected = expected.fit(scaled, target).predict_proba(scaled)
        np.testing.assert_allclose(found[name], expected, atol=5e-3)
    np.testing.assert_allclose(years.sum(axis=1), 1, atol=1e-5)


def test_years_within_groups_follow_the_ridge_regression(people) -> None:
    features, samples = people
    fitted = head()
    fit_head(fitted, features, samples, Cs=(0.01,))
    scaled = (features - features.mean(0)) / features.std(0)
    ages = samples["age"].to_numpy(dtype=np.float64)
    expected = Ridge(alpha=100).fit(scaled, ages).predict(scaled)
    with torch.no_grad():
        outputs = fitted.age_model(torch.as_tensor(features))
    location, scale = fitted.age_model.location_and_scale(outputs)
    np.testing.assert_allclose(location[:, 0], expected, atol=0.1)
    assert 0.5 < float(scale[0]) < ages.std()


def test_the_strength_is_the_one_that_other_people_like_best(people) -> None:
    features, samples = people
    noise = np.random.default_rng(1).normal(size=features.shape).astype(np.float32)
    Cs = (1e-3, 1.0, 1e3)
    assert fit_head(head(), features, samples, Cs=Cs)["mask"] > 1e-3
    assert fit_head(head(), noise, samples, Cs=Cs)["gender"] == 1e-3


def test_a_weight_of_zero_leaves_a_photo_out(people) -> None:
    features, samples = people
    wrong = samples.copy()
    wrong.loc[:29, "label"] = 17 - wrong.loc[:29, "label"]
    wrong["weight"] = np.where(wrong.index < 30, 0.0, 1.0)
    fitted, other = head(age=None, age_groups=False), head(age=None, age_groups=False)
    fit_head(fitted, features, wrong, Cs=(0.1,))
    right = samples.assign(weight=wrong["weight"])
    fit_head(other, features, right, Cs=(0.1,))
    counted = head(age=None, age_groups=False)
    fit_head(counted, features, wrong.drop(columns="weight"), Cs=(0.1,))
    one, two, three = (predictions(h, features)[0] for h in (fitted, other, counted))
    np.testing.assert_allclose(one, two, atol=0.02)
    assert np.abs(one - three).max() > 0.1


def test_a_value_that_no_photo_has_is_nearly_impossible(people) -> None:
    features, samples = people
    young = samples["age"] < 60
    fitted = head()
    fit_head(fitted, features[young], samples[young].reset_index(drop=True), Cs=(0.1,))
    old = predictions(fitted, features)[0].reshape(-1, 3, 2, 3)[..., 2].sum((1, 2))
    assert old.max() < 1e-6


def test_a_constant_feature_says_nothing(people) -> None:
    features, samples = people
    features[:, 3] = 5
    fitted = head()
    fit_head(fitted, features, samples, Cs=(0.1,))
    assert (fitted.classifiers["mask"].weight[:, 3] == 0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"age_groups": False}, "a classifier for each attribute"),
        ({"age": {"type": "LabelDistributionAge"}}, "RegressionAge with scale='shared'"),
        ({"age": {**AGE, "scale": "photo"}}, "RegressionAge with scale='shared'"),
        ({"losses": {"mask": {**LOSS, "label_smoothing": 0.1}}}, "label smoothing for mask"),
        ({"losses": {"mask": {"type": "SoftmaxFocalLoss"}}}, "got SoftmaxFocalLoss"),
        ({"agreement": 0.5}, r"head\.agreement must be 0 for a linear probe.*got 0\.5"),
    ],
)
def test_a_head_of_another_kind_is_refused(options, message) -> None:
    with pytest.raises(InputError, match=message):
        check_head(head(**options))


@pytest.mark.parametrize("Cs", [(), (1, 1), (2, 1), (0, 1), (1, np.inf)])
def test_strengths_that_do_not_ascend_are_refused(people, Cs) -> None:
    with pytest.raises(InputError, match="Cs must be ascending numbers above 0"):
        fit_head(head(), *people, Cs=Cs)


def test_where_all_are_men_all_are_called_so_with_a_warning(people, caplog) -> None:
    features, samples = people
    men = decode(samples["label"].to_numpy(dtype=np.int64))["gender"] == 0
    fitted = head()
    linear_fit._warn_of_one_value.cache_clear()
    with caplog.at_level("WARNING", logger="mmmask"):
        fit_head(fitted, features[men], samples[men].reset_index(drop=True), Cs=(0.1,))
    assert "every training photo has the gender male" in caplog.text
    joint = predictions(fitted, features)[0].reshape(-1, 3, 2, 3)
    np.testing.assert_allclose(joint.sum((1, 3)), [[1, 0]] * len(features), atol=1e-6)


def test_too_few_people_are_refused(people) -> None:
    features, samples = people
    with pytest.raises(InputError, match="4 people or more are needed; got 3"):
        fit_head(head(), features[:9], samples[:9], Cs=(0.1,))
    unknown = samples.assign(age=pd.array([None] * len(samples), dtype="Int16"))
    with pytest.raises(InputError, match="photos of known age"):
        fit_head(head(), features, unknown, Cs=(0.1,))


def test_the_default_loss_is_one_that_can_be_fitted() -> None:
    assert all(type(loss) is WeightedCrossEntropyLoss for loss in head().loss_module.values())


def partly(samples: pd.DataFrame) -> pd.DataFrame:
    """People of three data sets: the mask alone, all but the mask with decades, everything."""
    parts = decode(samples["label"].to_numpy(dtype=np.int64))
    which = samples["person"].astype(int) % 3
    age = samples["age"]
    known = pd.DataFrame(
        {
            "image": samples.index.astype(str),
            "person": samples["person"],
            "mask": np.where(which != 1, np.take(MASKS, parts["mask"]), None),
            "gender": np.where(which != 0, np.take(GENDERS, parts["gender"]), None),
            "age": age.where(which == 2),
            "age_from": (age // 10 * 10).where(which == 1),
            "age_to": (age // 10 * 10 + 9).where(which == 1),
        }
    )
    return with_labels(known)


def test_each_attribute_is_fitted_on_the_photos_that_know_it(people) -> None:
    features, samples = people
    fitted, known = head(), partly(samples)
    assert known["label"].isna().mean() > 0.6
    fit_head(fitted, features, known, Cs=(0.01,))
    joint = predictions(fitted, features)[0].reshape(-1, 3, 2, 3)
    found = {"mask": joint.sum((2, 3)), "gender": joint.sum((1, 3)), "age": joint.sum((1, 2))}
    scaled = (features - features.mean(0)) / features.std(0)
    which = samples["person"].astype(int).to_numpy() % 3
    for name, target in decode(samples["label"].to_numpy(dtype=np.int64)).items():
        rows = which != (1 if name == "mask" else 0)
        expected = LogisticRegression(C=0.01, tol=1e-6, max_iter=999)
        expected = expected.fit(scaled[rows], target[rows]).predict_proba(scaled)
        np.testing.assert_allclose(found[name], expected, atol=5e-3)


def test_ages_that_are_ranges_teach_years_nearly_as_well_as_years(people) -> None:
    features, samples = people
    age = samples["age"]
    decades = pd.DataFrame({"age_from": age // 10 * 10, "age_to": age // 10 * 10 + 9})
    locations = []
    for known in (
        samples,
        with_labels(
            pd.concat([samples.drop(columns="age"), decades], axis=1).assign(
                image=samples.index.astype(str)
            )
        ),
    ):
        fitted = head()
        fit_head(fitted, features, known, Cs=(0.01,))
        with torch.no_grad():
            outputs = fitted.age_model(torch.as_tensor(features))
        location, scale = fitted.age_model.location_and_scale(outputs)
        locations.append(location[:, 0].numpy())
        errors = age.to_numpy(dtype=np.float64) - locations[-1]
        assert scale[0].item() == pytest.approx(errors.std(), rel=0.3)
    assert np.abs(locations[1] - locations[0]).mean() < 1.5  # years, of ages from 18 to 79


def test_an_age_range_that_the_cut_divides_is_in_no_fit_of_age_groups(people) -> None:
    features, samples = people
    columns = {"image": samples.index.astype(str), "person": samples["person"]}
    parts = decode(samples["label"].to_numpy(dtype=np.int64))
    divided = np.arange(len(samples)) % 5 == 0
    known = with_labels(
        pd.DataFrame(
            {
                **columns,
                "mask": np.take(MASKS, parts["mask"]),
                "gender": np.take(GENDERS, parts["gender"]),
                "age": samples["age"].where(~divided),
                "age_from": pd.array(np.where(divided, 25, 0), dtype="Int16"),
                "age_to": pd.array(np.where(divided, 65, 120), dtype="Int16"),
            }
        )
    )
    fitted = head()
    fit_head(fitted, features, known, Cs=(0.01,))
    scaled = (features - features.mean(0)) / features.std(0)
    expected = LogisticRegression(C=0.01, tol=1e-6, max_iter=999)
    expected.fit(scaled[~divided], parts["age"][~divided])
    found = predictions(fitted, features)[0].reshape(-1, 3, 2, 3).sum((1, 2))
    np.testing.assert_allclose(found, expected.predict_proba(scaled), atol=5e-3)


def test_an_attribute_that_no_photo_knows_is_refused(people) -> None:
    features, samples = people
    known = with_labels(partly(samples).drop(columns=["gender", "label", "fits"]))
    with pytest.raises(InputError, match="no training photo has a known gender"):
        fit_head(head(), features, known, Cs=(0.1,))
