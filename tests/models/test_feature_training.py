"""Training what stands behind a frozen backbone on its features."""

import numpy as np
import pandas as pd
import pytest
import torch
from mmpretrain.registry import MODELS
from torch import nn

import mmmask.register  # noqa: F401
from mmmask.errors import DivergedError, InputError
from mmmask.labels import decode, encode
from mmmask.models.feature_training import (
    FeatureTraining,
    predict_from_features,
    train_on_features,
)
from mmmask.models.hidden_layer import HiddenLayer

D, PEOPLE = 12, 120
TRAINING = FeatureTraining(epochs=40, lr=1e-2, weight_decay=0.0, batch_size=32)


@pytest.fixture(scope="module")
def photos() -> tuple[np.ndarray, pd.DataFrame]:
    """Two views of each photo, of which one is told by the signs of products of features."""
    random = np.random.default_rng(0)
    mask, gender = random.integers(3, size=PEOPLE * 4), random.integers(2, size=PEOPLE * 4)
    age = random.integers(18, 80, size=PEOPLE * 4)
    features = random.normal(size=(PEOPLE * 4, 2, D))
    sign = random.choice([-1, 1], size=(PEOPLE * 4, 1))
    features[:, :, 0] = 2 * sign
    features[:, :, 1] = 2 * sign * (2 * gender[:, None] - 1)  # no line parts them
    features[:, :, 2] = mask[:, None] - 1
    features[:, :, 3] = age[:, None] / 20
    group = (age >= 30) * 1 + (age >= 60)
    samples = pd.DataFrame({"label": encode(mask, gender, group), "age": age})
    return (50 + 10 * features).astype(np.float32), samples


def parts(width: int = 32, **options):
    head = MODELS.build(
        {
            "type": "DecomposedHead",
            "in_channels": width,
            "losses": {"age": {"type": "WeightedCrossEntropyLoss", "num_classes": 3}},
            "age": {"type": "LabelDistributionAge", "sigma": 3.0, "years": (10, 90)},
            "age_groups": True,
        }
    )
    return [HiddenLayer(D, width=width, **options)], head


def fitted(photos, training=TRAINING, seed=0, **options):
    features, samples = photos
    neck, head = parts(**options)
    learned = np.arange(0, len(samples), 2)
    train_on_features(
        neck, head, features, learned, samples.iloc[learned].reset_index(drop=True), training,
        seed=seed,
    )  # fmt: skip
    return neck, head


def test_it_tells_others_what_no_line_could(photos) -> None:
    features, samples = photos
    neck, head = fitted(photos)
    others = np.arange(1, len(samples), 2)
    found, years = predict_from_features(neck, head, features, others)
    truth = decode(samples["label"].to_numpy()[others])
    joint = found.reshape(-1, 3, 2, 3)
    assert (joint.sum((1, 3)).argmax(1) == truth["gender"]).mean() > 0.9
    assert (joint.sum((2, 3)).argmax(1) == truth["mask"]).mean() > 0.9
    expected = (years * np.arange(121)).sum(1)
    assert np.abs(expected - samples["age"].to_numpy()[others]).mean() < 6


def test_the_same_seed_gives_the_same_weights_whatever_was_drawn_before(photos) -> None:
    one = fitted(photos, dropout=0.5)
    torch.rand(7)
    two, other = fitted(photos, dropout=0.5), fitted(photos, dropout=0.5, seed=1)
    assert torch.equal(one[0][0].fc.weight, two[0][0].fc.weight)
    assert torch.equal(one[1].classifiers["age"].weight, two[1].classifiers["age"].weight)
    assert not torch.equal(one[0][0].fc.weight, other[0][0].fc.weight)


def test_a_layer_may_look_at_some_columns_alone(photos) -> None:
    features, samples = photos
    neck, head = fitted(photos, columns=(0, D - 2))
    rows = np.arange(len(samples))
    before = predict_from_features(neck, head, features, rows)[0]
    changed = features.copy()
    changed[:, :, D - 2 :] = 1e3
    np.testing.assert_array_equal(predict_from_features(neck, head, changed, rows)[0], before)
    changed[:, :, 0] = 1e3
    assert not np.array_equal(predict_from_features(neck, head, changed, rows)[0], before)


@pytest.mark.parametrize("columns", [(3, 3), (-1, 2), (0, D + 1), (1,)])
def test_columns_that_do_not_exist_are_refused(columns) -> None:
    with pytest.raises(InputError, match=rf"ascending from 0 to {D}; got"):
        HiddenLayer(D, width=4, columns=columns)


def test_predictions_are_the_mean_over_the_views(photos) -> None:
    features, _ = photos
    neck, head = fitted(photos)
    rows = np.array([5, 2, 9])
    both, _ = predict_from_features(neck, head, features, rows)
    each = [predict_from_features(neck, head, features[:, [v]], rows)[0] for v in (0, 1)]
    np.testing.assert_allclose(both, np.mean(each, axis=0), atol=1e-6)


def test_pretrained_layers_learn_only_after_the_new_ones(photos) -> None:
    features, samples = photos
    maps = np.repeat(features[:, :, :, None, None], 2, axis=3).astype(np.float16)

    class Pool(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(D, 1, 1))

        def forward(self, feats):
            return ((feats[-1] * self.scale).mean((2, 3)),)

    scales = {}
    for tuned in (0, 2):
        pool, (neck, head) = Pool(), parts()
        training = FeatureTraining(epochs=1, tuned_epochs=tuned, batch_size=32)
        train_on_features(
            [pool, *neck], head, maps, np.arange(len(samples)), samples, training, seed=0
        )
        scales[tuned] = pool.scale.detach()
        torch.testing.assert_close(
            neck[0].mean, torch.tensor(features[:, 0].mean(0)), atol=0.1, rtol=0
        )
    assert torch.equal(scales[0], torch.ones(D, 1, 1))
    assert not torch.equal(scales[2], torch.ones(D, 1, 1))


def test_steps_are_told_until_all_is_done(photos) -> None:
    features, samples = photos
    shares: list[float] = []
    neck, head = parts()
    train_on_features(
        neck, head, features, np.arange(60), samples[:60], FeatureTraining(epochs=2, batch_size=25),
        seed=0, tick=shares.append,
    )  # fmt: skip
    assert len(shares) == 6
    assert sum(shares) == pytest.approx(1)


class Norm(HiddenLayer):
    """A layer whose batch norm refuses a photo alone."""

    def __init__(self) -> None:
        super().__init__(D, width=32)
        self.norm = nn.BatchNorm1d(32)

    def forward(self, feats):
        return (self.norm(super().forward(feats)[-1]),)


def test_a_photo_that_is_left_over_joins_the_last_batch(photos) -> None:
    features, samples = photos
    shares: list[float] = []
    _, head = parts()
    train_on_features(
        [Norm()], head, features, np.arange(51), samples[:51],
        FeatureTraining(epochs=2, batch_size=25), seed=0, tick=shares.append,
    )  # fmt: skip
    assert shares == pytest.approx([1 / 4] * 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "training.epochs must be at least 1; got 0"),
        ({"tuned_epochs": -1}, "training.tuned_epochs must be at least 0; got -1"),
        ({"lr": float("nan")}, "training.lr must be above 0; got nan"),
    ],
)
def test_values_that_make_no_sense_are_refused(options, message) -> None:
    with pytest.raises(InputError, match=message):
        FeatureTraining(**options)


def test_a_neck_without_a_hidden_layer_is_refused(photos) -> None:
    features, samples = photos
    _, head = parts()
    with pytest.raises(InputError, match="a neck that ends with HiddenLayer; got no layer"):
        train_on_features([], head, features, np.arange(9), samples[:9], TRAINING, seed=0)


def test_a_loss_that_is_no_number_ends_it(photos) -> None:
    features, samples = photos
    neck, head = parts()
    broken = np.where(features > 60, np.nan, features)
    with pytest.raises(DivergedError, match="the loss on features is nan"):
        train_on_features(neck, head, broken, np.arange(90), samples[:90], TRAINING, seed=0)
