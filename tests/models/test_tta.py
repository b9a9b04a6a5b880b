import pytest
import torch
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS

import mmmask.models.heads.linear
import mmmask.models.preprocessor  # noqa: F401
from mmmask.errors import InputError
from mmmask.models.tta import VIEWS, MeanProbabilityTTA
from mmmask.structures import SampleBatch


@pytest.fixture
def classifier() -> torch.nn.Module:
    init_default_scope("mmpretrain")
    torch.manual_seed(0)
    return MODELS.build(
        {
            "type": "ImageClassifier",
            "data_preprocessor": {
                "type": "FacePreprocessor",
                "mean": (120, 120, 120),
                "std": (60, 60, 60),
            },
            "backbone": {"type": "LeNet5"},  # sees where things are: a mirrored photo differs
            "neck": {"type": "GlobalAveragePooling"},
            "head": {"type": "MaskLinearHead", "in_channels": 120},
        }
    ).eval()


def batch() -> dict:
    samples = SampleBatch()
    samples.gt_label = torch.arange(4)
    photos = torch.randint(0, 256, (4, 1, 32, 32), generator=torch.Generator().manual_seed(1))
    return {"inputs": photos.to(torch.uint8), "data_samples": samples}


def probabilities(model: torch.nn.Module, data: dict) -> torch.Tensor:
    with torch.no_grad():
        return model.test_step(data).pred_score


def test_flip_views_give_the_mean_of_photo_and_mirror_image(classifier, monkeypatch) -> None:
    monkeypatch.setattr(
        classifier.data_preprocessor,
        "forward",
        lambda data, training: {**data, "inputs": data["inputs"].float() / 60},
    )
    mirrored = batch()
    mirrored["inputs"] = mirrored["inputs"].flip(-1)
    plain, flipped = probabilities(classifier, batch()), probabilities(classifier, mirrored)
    assert not torch.allclose(plain, flipped)
    averaged = MeanProbabilityTTA(classifier, views=["identity", "hflip"])
    torch.testing.assert_close(probabilities(averaged, batch()), (plain + flipped) / 2)
    same = MeanProbabilityTTA(classifier, views=["identity"])
    torch.testing.assert_close(probabilities(same, batch()), plain)


def test_the_batch_keeps_its_labels(classifier, monkeypatch) -> None:
    monkeypatch.setattr(
        classifier.data_preprocessor,
        "forward",
        lambda data, training: {**data, "inputs": data["inputs"].float()},
    )
    result = MeanProbabilityTTA(classifier, views=["identity", "hflip"]).test_step(batch())
    assert result.gt_label.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("views", [[], ["identity", "upside down"]])
def test_unknown_or_no_views_are_refused(classifier, views) -> None:
    with pytest.raises(InputError, match=rf"tta\.views must be among {', '.join(VIEWS)}; got"):
        MeanProbabilityTTA(classifier, views=views)


def test_years_and_attribute_of_the_views_are_carried_along(classifier, monkeypatch) -> None:
    from mmmask.labels import group_probabilities
    from mmmask.models.ages.ordinal import CoralAge  # noqa: F401 (registers it)
    from mmmask.models.heads.attribute import AgeHead

    classifier.head = AgeHead(120, age={"type": "CoralAge"}).eval()
    torch.nn.init.normal_(classifier.head.age_model.fc.weight)
    monkeypatch.setattr(
        classifier.data_preprocessor,
        "forward",
        lambda data, training: {**data, "inputs": data["inputs"].float() / 60},
    )
    mirrored = batch()
    mirrored["inputs"] = mirrored["inputs"].flip(-1)
    with torch.no_grad():
        plain, flipped = classifier.test_step(batch()), classifier.test_step(mirrored)
        mean = MeanProbabilityTTA(classifier, views=["identity", "hflip"]).test_step(batch())
    assert mean.attribute == "age"
    assert not torch.allclose(plain.pred_years, flipped.pred_years)
    torch.testing.assert_close(mean.pred_years, (plain.pred_years + flipped.pred_years) / 2)
    torch.testing.assert_close(group_probabilities(mean.pred_years), mean.pred_score)


def test_rotated_views_turn_about_the_centre_and_undo_each_other() -> None:
    rows, columns = torch.meshgrid(torch.arange(40.0), torch.arange(30.0), indexing="ij")
    photos = (torch.sin(rows / 6) + torch.cos(columns / 8))[None, None].repeat(2, 3, 1, 1)
    left = VIEWS["rotate_left"](photos)
    assert (left - photos).abs().max() > 0.1
    back = VIEWS["rotate_right"](left)
    middle = (..., slice(10, 30), slice(8, 22))
    torch.testing.assert_close(back[middle], photos[middle], atol=0.02, rtol=0)


def test_the_zoomed_view_magnifies_the_centre() -> None:
    columns = torch.arange(31.0) - 15
    photos = columns.expand(1, 3, 41, 31)
    zoomed = VIEWS["zoom"](photos)
    torch.testing.assert_close(
        zoomed[..., 20, 5:26], (columns[5:26] / 1.15).expand(1, 3, 21), atol=1e-3, rtol=0
    )
