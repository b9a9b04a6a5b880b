"""Heads on frozen features, trained as techniques say."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.models.feature_training import FeatureTraining
from mmmask.models.head_training import Schedule
from mmmask.workflows.studies.technique_data import FeatureFiles
from mmmask.workflows.studies.technique_space import Technique

#: Features -> probabilities, (n, D) -> (n, 18).
Head = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def trained(
    technique: Technique,
    config: Mapping[str, Any],
    files: FeatureFiles,
    learned: pd.DataFrame,
    seed: int,
) -> Head:
    """Return a head that has learned some samples.

    Args:
        technique: Its schedule, features and sampler.
        config: Of the head.
        files: The features.
        learned: The samples.
        seed: Of weights, dropout and order.
    """
    from mmengine.registry import init_default_scope
    from mmpretrain.registry import DATA_SAMPLERS

    import mmmask.register  # noqa: F401
    from mmmask.models.head_training import train_head

    init_default_scope("mmpretrain")
    images = learned["image"].tolist()
    if technique.hidden is not None:
        features = files.of(technique.features, images)
        return _behind_hidden_layer(technique, config, features, learned, seed)
    names: list[Sequence[str]] = [technique.features, *([one] for one in technique.train_views)]
    rows = np.concatenate([files.of(each, images) for each in names])
    learned = pd.concat([learned] * len(names), ignore_index=True)
    order = None
    if technique.sampler is not None:
        dataset = _Labelled(learned["label"].to_numpy(dtype=np.int64))
        sampler = DATA_SAMPLERS.build({**technique.sampler, "dataset": dataset, "seed": seed})

        def order(epoch: int) -> NDArray[np.integer]:
            return sampler.order(np.random.default_rng([seed, epoch]))

    assert isinstance(technique.schedule, Schedule)
    return train_head(config, rows, learned, technique.schedule, seed=seed, order=order)


def _behind_hidden_layer(
    technique: Technique,
    config: Mapping[str, Any],
    features: NDArray[np.float32],
    learned: pd.DataFrame,
    seed: int,
) -> Head:
    from mmpretrain.registry import MODELS

    from mmmask.models.feature_training import predict_from_features, train_on_features
    from mmmask.models.hidden_layer import HiddenLayer

    options, schedule = technique.hidden, technique.schedule
    assert options is not None and isinstance(schedule, FeatureTraining)
    neck = [HiddenLayer(features.shape[1], **options)]
    head = MODELS.build({**config, "in_channels": options["width"]})
    rows = np.arange(len(features))
    train_on_features(neck, head, features[:, None], rows, learned, schedule, seed=seed)
    return lambda values: predict_from_features(
        neck, head, values[:, None], np.arange(len(values))
    )[0]


class _Labelled:
    """As much of a dataset as samplers look at."""

    def __init__(self, labels: NDArray[np.int64]) -> None:
        self._labels = labels

    def __len__(self) -> int:
        return len(self._labels)

    def labels(self) -> NDArray[np.int64]:
        return self._labels
