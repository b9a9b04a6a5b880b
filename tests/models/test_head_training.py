"""Heads trained on features: all kinds learn, and a plain one learns what a regression does."""

import numpy as np
import pandas as pd
import pytest
from mmengine.registry import init_default_scope
from sklearn.linear_model import LogisticRegression

import mmmask.register  # noqa: F401
from mmmask.errors import DivergedError, InputError
from mmmask.labels import ATTRIBUTES, decode, encode, marginals, to_bits
from mmmask.models.head_training import Schedule, photos_per_step, train_head

D = 12
PEOPLE = 90
THREE = {"type": "DecomposedHead"}
ARCFACE = {"type": "MaskArcFaceHead", "scale": 16.0}
FLAT, COSINES = {"weight_decay": 0.01}, {"lr": 1.0}


@pytest.fixture(scope="module")
def people() -> tuple[np.ndarray, pd.DataFrame]:
    """Features in which mask, gender and age can be seen, in units of their own."""
    init_default_scope("mmpretrain")
    random = np.random.default_rng(0)
    gender, age = random.integers(2, size=PEOPLE), random.integers(18, 80, size=PEOPLE)
    person = np.repeat(np.arange(PEOPLE), 3)
    mask = np.tile(np.arange(3), PEOPLE)
    group = np.digitize(age, [30, 60])
    seen = np.stack([mask == 0, mask == 1, gender[person], age[person] / 30], axis=1)
    features = seen @ random.normal(size=(4, D)) + 0.1 * random.normal(size=(len(person), D))
    samples = pd.DataFrame(
        {
            "label": encode(mask, gender[person], group[person]),
            "age": pd.array(age[person], dtype="Int16"),
        }
    )
    return (100 + 7 * features).astype(np.float32), samples


def accuracy(config, people, schedule) -> float:
    features, samples = people
    head = train_head(config, features, samples, Schedule(**schedule), seed=0)
    return float((head(features).argmax(axis=1) == samples["label"]).mean())


@pytest.mark.parametrize(
    ("config", "schedule"),
    [
        ({"type": "MaskLinearHead"}, FLAT),
        ({"type": "MaskLinearHead"}, {"optimizer": "adamw", "lr": 0.01}),
        ({"type": "MaskLinearHead", "loss": {"type": "SoftmaxFocalLoss"}}, FLAT),
        ({"type": "MaskLinearHead", "loss": {"type": "SoftMacroF1Loss"}}, FLAT),
        ({"type": "MaskLinearHead", "loss": {"type": "SymmetricCrossEntropyLoss"}}, FLAT),
        (
            {
                "type": "MaskLinearHead",
                "loss": {"type": "WeightedCrossEntropyLoss", "class_weight": "inverse"},
            },
            FLAT,
        ),
        ({**ARCFACE, "margin": 0.1}, COSINES),
        ({**ARCFACE, "margin": 0.5}, COSINES),
        ({**ARCFACE, "margin": "adaptive", "sub_centers": 3}, COSINES),
        ({"type": "MaskCosFaceHead", "scale": 16.0, "margin": 0.15}, COSINES),
        (THREE, FLAT),
        ({**THREE, "age": {"type": "LabelDistributionAge"}}, FLAT),
        ({**THREE, "age": {"type": "CoralAge"}, "loss_weights": {"age": 0.05}}, FLAT),
        ({**THREE, "age": {"type": "CornAge"}, "loss_weights": {"age": 10.0}}, FLAT),
        ({**THREE, "age": {"type": "RegressionAge"}, "loss_weights": {"age": 0.5}}, FLAT),
        ({**THREE, "age": {"type": "RegressionAge"}, "age_groups": True}, FLAT),
    ],
)
def test_every_head_and_loss_learns(people, config, schedule) -> None:
    # 18 classes; the most common one has less than a tenth of the photos.
    assert accuracy(config, people, schedule) > 0.5


def test_three_classifiers_come_to_the_logistic_regressions(people) -> None:
    features, samples = people
    schedule = Schedule(lr=0.1, weight_decay=0.1, steps=400, batch_size=len(samples))
    found = marginals(train_head(THREE, features, samples, schedule, seed=0)(features))
    scaled = (features - features.mean(0)) / features.std(0)
    gender = samples["label"].to_numpy() % 6 // 3
    # The penalty of two opposite rows of weights is half that of their difference.
    C = 1 / (0.5 * schedule.weight_decay * len(samples))
    expected = LogisticRegression(C=C, tol=1e-8, max_iter=999).fit(scaled, gender)
    np.testing.assert_allclose(found["gender"], expected.predict_proba(scaled), atol=2e-3)


def test_a_step_takes_as_many_photos_that_know_each_attribute_as_its_size(people) -> None:
    features, samples = people
    fits = np.ones((len(samples), 3, 2, 3), bool)
    parts = decode(samples["label"].to_numpy(np.int64))
    third = np.arange(len(samples)) // 3 % 3  # of the people
    for axis, (name, values) in enumerate(ATTRIBUTES.items()):
        known = np.moveaxis(fits[third == axis], axis + 1, 1)
        known &= np.eye(len(values), dtype=bool)[parts[name][third == axis]][:, :, None, None]
        fits[third == axis] = np.moveaxis(known, 1, axis + 1)
    partly = samples.assign(
        label=pd.array([pd.NA] * len(samples), dtype="Int8"),
        fits=pd.array(to_bits(fits.reshape(-1, 18)), dtype="Int32"),
    ).drop(columns="age")
    assert photos_per_step(partly, 20, ATTRIBUTES) == 60
    assert photos_per_step(partly, 100, ATTRIBUTES) == len(samples) == 270
    assert photos_per_step(partly, 300, ATTRIBUTES) == 300
    assert photos_per_step(samples, 20, ATTRIBUTES) == 20
    mask = partly[third == 0]
    assert photos_per_step(mask, 20, ["mask"]) == 20
    small, whole = (
        train_head(THREE, features, partly, Schedule(batch_size=size, steps=30), seed=0)(features)
        for size in (90, 270)
    )
    np.testing.assert_array_equal(small, whole)
    assert (small.argmax(axis=1) == samples["label"]).mean() > 0.8


def test_the_seed_decides_and_nothing_else(people) -> None:
    features, samples = people
    one, same, other = (
        train_head(THREE, features, samples, Schedule(steps=5), seed=seed)(features)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-6


def test_photos_that_the_order_leaves_out_are_not_learned(people) -> None:
    features, samples = people
    men = np.flatnonzero(samples["label"] % 6 < 3)
    schedule = Schedule(weight_decay=1.0)
    fewer = train_head(
        THREE, features, samples, schedule, seed=0, order=lambda epoch: np.roll(men, epoch)
    )
    every = train_head(THREE, features, samples, schedule, seed=0)
    male = [marginals(head(features))["gender"].argmax(axis=1) == 0 for head in (fewer, every)]
    assert male[0].all() and male[1].mean() < 0.8


def test_a_constant_feature_says_nothing(people) -> None:
    features, samples = people
    constant = features.copy()
    constant[:, 3] = 5
    head = train_head(THREE, constant, samples, Schedule(), seed=0)
    moved = constant.copy()
    moved[:, 3] = 1000
    np.testing.assert_array_equal(head(constant), head(moved))


def test_the_margin_is_whole_at_the_end(people) -> None:
    head = train_head({**ARCFACE, "margin": 0.2}, *people, Schedule(steps=8), seed=0)
    assert head.head.margin_factor == 1


def test_a_rate_that_is_too_high_is_told(people) -> None:
    with pytest.raises(DivergedError, match="the loss of MaskLinearHead is"):
        train_head(
            {"type": "MaskLinearHead"}, *people, Schedule(lr=1e30, weight_decay=1e10), seed=0
        )


def test_a_head_of_another_package_is_refused(people) -> None:
    with pytest.raises(InputError, match=r"must be a head of mmmask; got LinearClsHead"):
        train_head({"type": "LinearClsHead", "num_classes": 18}, *people, Schedule(), seed=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": "adam"}, "training.optimizer must be one of sgd, adamw; got 'adam'"),
        ({"lr": 0}, "training.lr must be above 0; got 0"),
        ({"weight_decay": -1}, "training.weight_decay"),
        ({"steps": 0}, "training.steps"),
        ({"batch_size": 0}, "training.batch_size"),
        ({"warmup": 2}, "training.warmup"),
    ],
)
def test_a_schedule_out_of_range_is_refused(options, message) -> None:
    with pytest.raises(InputError, match=message):
        Schedule(**options)
