"""Everybody predicted from those who look alike."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS

import mmmask.register  # noqa: F401
from mmmask.drawing.drawn_faces import draw_dataset
from mmmask.errors import InputError
from mmmask.evaluation.leave_one_out import leave_one_out, similarity
from mmmask.labels import group_probabilities
from mmmask.tables import probabilities, read_predictions, years_of
from mmmask.workflows.label_errors.find import find_label_errors
from mmmask.workflows.probe import by_others, means_of, normal_years, probe

CONFIG = Path(__file__).parents[2] / "configs" / "mobilenet_v2_linear.py"
OPTIONS = ("preprocessing.size=(32,24)", "test_dataloader.num_workers=0")


def test_photos_of_a_person_in_one_state_are_averaged_whatever_the_batches() -> None:
    random = np.random.default_rng(0)
    cell, kinds = (
        random.permutation(np.arange(30) % 7),
        [random.normal(size=(30, d)) for d in (2, 5)],
    )
    batches = [[kind[start : start + 8] for kind in kinds] for start in range(0, 30, 8)]
    for found, kind in zip(means_of(cell, batches), kinds, strict=True):
        expected = pd.DataFrame(kind).groupby(cell).mean().to_numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_a_photo_is_predicted_from_others_in_the_same_state() -> None:
    random = np.random.default_rng(1)
    person, state = np.repeat(np.arange(9), 3), np.tile([0, 1, 1], 9)
    cell = person * 3 + state
    targets = random.normal(size=(9, 2))[person]
    means = [random.normal(size=(27, 4))]
    predicted = by_others(means, cell, targets)
    for one in (0, 1):
        kernel = similarity([means[0][np.arange(9) * 3 + one]])
        expected = leave_one_out(kernel, targets[::3])
        for row in np.flatnonzero(state == one):
            np.testing.assert_allclose(predicted[row], expected[person[row]])
    targets[person == 4] += 100  # nobody's own label speaks for them
    changed = by_others(means, cell, targets)
    np.testing.assert_allclose(changed[person == 4], predicted[person == 4], atol=1e-6)


def test_the_only_person_in_a_state_has_nobody_to_compare_with() -> None:
    with pytest.raises(InputError, match="only one person has a photo of mask normal"):
        by_others([np.ones((9, 2))], np.array([0, 3, 6, 2]), np.ones((4, 1)))


def test_years_are_normal_around_the_prediction() -> None:
    years = normal_years(np.array([30.0, 61.5]), 5.0)
    np.testing.assert_allclose(years.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(years @ np.arange(121), [30, 61.5], atol=1e-3)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("probe")
    draw_dataset(root / "data", people=12, seed=0, size=(48, 64))
    init_default_scope("mmpretrain")
    torch.manual_seed(0)
    net = MODELS.build({"type": "MobileNetV2"})
    weights = {f"backbone.{name}": value for name, value in net.state_dict().items()}
    torch.save({"state_dict": weights}, root / "weights.pth")
    return root


def test_the_tables_serve_to_find_label_errors(data, tmp_path, capsys) -> None:
    out = tmp_path / "probe"
    weights = str(data / "weights.pth")
    probe(CONFIG, out, data_root=str(data / "data"), pretrained=weights, options=OPTIONS)
    gender, age = (read_predictions(out / f"{name}.parquet") for name in ("gender", "age"))
    for table in (gender, age):
        assert table["image"].nunique() == len(table) == 84
        np.testing.assert_allclose(probabilities(table).sum(axis=1), 1, rtol=1e-5)
        stated = table.attrs["provenance"]
        assert (stated["split"], stated["pretrained"]) == ("oof", weights)
    np.testing.assert_allclose(
        group_probabilities(years_of(age)), probabilities(age), rtol=1e-4, atol=1e-6
    )
    tables = [out / "gender.parquet", out / "age.parquet"]
    found = find_label_errors(tables, tmp_path / "suspects.csv", data_root=data / "data")
    assert found.summary["kind"].tolist() == ["gender", "age"]


def test_a_backbone_that_has_learned_nothing_is_refused(data, tmp_path) -> None:
    with pytest.raises(InputError, match="pretrained must name weights, a path or URL; got none"):
        probe(CONFIG, tmp_path, data_root=str(data / "data"), pretrained="none", options=OPTIONS)
