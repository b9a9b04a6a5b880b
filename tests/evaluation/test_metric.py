import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmpretrain.structures import DataSample

from mmmask.evaluation import metric as module
from mmmask.evaluation.metric import MaskFaceMetric
from mmmask.evaluation.scores import attribute_scores, scores
from mmmask.labels import decode
from mmmask.structures import SampleBatch


@pytest.fixture
def table() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return random.integers(0, 18, 10), random.dirichlet(np.ones(18), size=10).astype(np.float32)


def batch_of(rows, truth, probabilities) -> SampleBatch:
    batch = SampleBatch()
    batch.sample_idx = torch.as_tensor(rows)
    batch.pred_score = torch.as_tensor(probabilities[rows])
    if truth is not None:
        batch.gt_label = torch.as_tensor(truth[rows])
    return batch


def test_batches_are_scored_like_the_whole_table_and_kept_in_row_order(table) -> None:
    truth, probabilities = table
    metric = MaskFaceMetric()
    evaluator = Evaluator([metric])
    for rows in ([7, 2, 5, 1], [0, 9, 8, 3], [4, 6]):
        evaluator.process([batch_of(rows, truth, probabilities)])
    result = evaluator.evaluate(10)
    expected = scores(truth, probabilities)
    assert {key: result[key] for key in expected} == pytest.approx(expected)
    assert metric.predictions[0].tolist() == list(range(10))
    np.testing.assert_array_equal(metric.predictions[1], probabilities)


def test_single_data_samples_are_scored_too(table) -> None:
    truth, probabilities = table
    evaluator = Evaluator([MaskFaceMetric()])
    for row in range(10):
        sample = DataSample().set_gt_label(int(truth[row]))
        sample.set_pred_score(torch.as_tensor(probabilities[row]))
        sample.sample_idx = row
        evaluator.process([sample])
    assert evaluator.evaluate(10)["macro_f1"] == pytest.approx(
        scores(truth, probabilities)["macro_f1"]
    )


def test_without_labels_there_are_predictions_and_no_scores(table) -> None:
    metric = MaskFaceMetric()
    evaluator = Evaluator([metric])
    evaluator.process([batch_of(list(range(10)), None, table[1])])
    assert evaluator.evaluate(10) == {}
    assert metric.predictions[1].shape == (10, 18)


def test_photos_repeated_to_even_out_the_processes_count_once(table, monkeypatch) -> None:
    truth, probabilities = table
    metric = MaskFaceMetric()
    metric.process(None, [batch_of([0, 2, 4, 6, 8], truth, probabilities).to_dict()])
    other = MaskFaceMetric()
    other.process(None, [batch_of([1, 3, 5, 7, 9, 0], truth, probabilities).to_dict()])
    monkeypatch.setattr(module, "all_gather_object", lambda mine: [list(mine), other.results])
    assert metric.evaluate(10)["accuracy"] == scores(truth, probabilities)["accuracy"]


def test_probabilities_that_are_not_finite_have_no_score(table) -> None:
    truth, probabilities = table
    evaluator = Evaluator([MaskFaceMetric()])
    probabilities[3] = np.nan
    evaluator.process([batch_of(np.arange(10), truth, probabilities)])
    result = evaluator.evaluate(10)
    assert {"macro_f1", "temperature", *scores(truth, probabilities)} <= set(result)
    assert np.isnan([*result.values()]).all()


def test_a_missing_photo_is_an_error(table) -> None:
    metric = MaskFaceMetric()
    metric.process(None, [batch_of([0, 1, 2], *table).to_dict()])
    with pytest.raises(RuntimeError, match="3 photos for a dataset of 10"):
        metric.evaluate(10)


def test_years_are_kept_in_row_order_and_give_the_distance_to_the_median(table) -> None:
    truth, probabilities = table
    ages = np.array([20, 30, 40, 50, 60, 25, 35, 45, 55, -1])
    years = np.eye(121, dtype=np.float32)[np.where(ages < 0, 0, ages + 4)]
    metric = MaskFaceMetric()
    evaluator = Evaluator([metric])
    for rows in ([7, 2, 5, 1], [0, 9, 8, 3], [4, 6]):
        batch = batch_of(rows, truth, probabilities)
        batch.pred_years, batch.age = torch.tensor(years[rows]), torch.tensor(ages[rows])
        evaluator.process([batch])
    assert evaluator.evaluate(10)["age_mae"] == 4
    np.testing.assert_array_equal(metric.years, years)


@pytest.mark.parametrize(("attribute", "values"), [("mask", 3), ("gender", 2), ("age", 3)])
def test_a_model_of_one_attribute_is_scored_by_its_values(table, attribute, values) -> None:
    truth, _ = table
    probabilities = np.random.default_rng(1).dirichlet(np.ones(values), size=10)
    batch = batch_of(list(range(10)), truth, probabilities.astype(np.float32))
    batch.set_metainfo({"attribute": attribute})
    metric = MaskFaceMetric()
    evaluator = Evaluator([metric])
    evaluator.process([batch])
    result = evaluator.evaluate(10)
    expected = attribute_scores(decode(truth)[attribute], probabilities)
    assert {key: result[key] for key in expected} == pytest.approx(expected, rel=1e-5)
    assert metric.attribute == attribute
    assert result["temperature"] > 0


def test_each_attribute_is_scored_by_the_photos_that_know_it(table) -> None:
    truth, probabilities = table
    fits = np.eye(18, dtype=bool)[truth]
    masks, nothing = [0, 1, 2], [3]
    fits[masks] = decode(np.arange(18))["mask"] == decode(truth)["mask"][masks][:, None]
    fits[nothing] = True
    label = truth.copy()
    label[masks + nothing] = -1
    evaluator = Evaluator([MaskFaceMetric()])
    for rows in ([7, 2, 5, 1, 0], [9, 8, 3, 4, 6]):
        batch = batch_of(rows, label, probabilities)
        batch.fits = torch.as_tensor(fits[rows])
        evaluator.process([batch])
    result = evaluator.evaluate(10)
    whole = scores(truth[4:], probabilities[4:])
    assert {key: result[key] for key in whole if key != "mask_accuracy"} == pytest.approx(
        {key: value for key, value in whole.items() if key != "mask_accuracy"}
    )
    rows = [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert result["mask_accuracy"] == pytest.approx(
        scores(truth[rows], probabilities[rows])["mask_accuracy"]
    )
    assert result["temperature"] == pytest.approx(
        module.fit_temperature(fits[rows], probabilities[rows])
    )


def test_what_no_photo_knows_has_no_score(table) -> None:
    truth, probabilities = table
    batch = batch_of(list(range(10)), np.full(10, -1), probabilities)
    genders = decode(truth)["gender"]
    batch.fits = torch.as_tensor(decode(np.arange(18))["gender"] == genders[:, None])
    evaluator = Evaluator([MaskFaceMetric()])
    evaluator.process([batch])
    assert set(evaluator.evaluate(10)) == {"gender_accuracy", "temperature"}
