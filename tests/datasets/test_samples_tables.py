"""Further samples, from the table to the loss."""

import pandas as pd
import pytest
import torch
from mmengine.registry import init_default_scope

import mmmask.register  # noqa: F401
from mmmask.datasets.batching import stack_photos
from mmmask.datasets.mask_faces import MaskFaceDataset
from mmmask.engine.hooks.person_split_hook import split_table
from mmmask.models.heads.linear import MaskLinearHead

PEOPLE = [(f"{i:06d}", ("male", "female")[i % 2], 20 + 15 * (i % 3)) for i in range(6)]
PIPELINE = [{"type": "LoadPhoto"}, {"type": "Preprocess", "size": (8, 6)}, {"type": "PackPhoto"}]


@pytest.fixture(params=["csv", "parquet"])
def dataset(request, make_layout, tmp_path) -> MaskFaceDataset:
    """Six people and three eval photos with labels; mask, gender and age are not known."""
    init_default_scope("mmpretrain")
    root = make_layout(PEOPLE, eval_photos=3)
    images = [f"eval/images/{9 - photo:040x}.jpg" for photo in range(3)]
    table = pd.DataFrame(
        {
            "image": images,
            "person": ["x", "x", "y"],
            "label": [0, 5, 17],
            "source": ["pseudo", "pseudo", "external"],
            "weight": [0.5, 0.25, None],
        }
    )
    path = tmp_path / f"more.{request.param}"
    getattr(table, f"to_{request.param}")(path, index=False)
    return MaskFaceDataset(root, split="train", samples=[str(path)], pipeline=PIPELINE)


def test_source_label_and_weight_stand_in_the_samples_of_the_dataset(dataset):
    added = dataset.samples.tail(3)
    assert added["source"].tolist() == ["pseudo", "pseudo", "external"]
    assert added["label"].tolist() == [0, 5, 17]
    assert set(dataset.samples["source"].iloc[:-3]) == {"train"}
    assert added["age"].isna().all()


def test_the_weights_reach_the_loss(dataset):
    batch = stack_photos([dataset[row] for row in range(len(dataset) - 5, len(dataset))])
    samples = batch["data_samples"]
    assert samples.weight.tolist() == [1, 1, 0.5, 0.25, 1]  # without a weight: 1
    head = MaskLinearHead(4)
    torch.nn.init.normal_(head.fc.weight, generator=torch.Generator().manual_seed(0))
    feats = (torch.randn(5, 4, generator=torch.Generator().manual_seed(1)),)
    losses = torch.nn.functional.cross_entropy(head(feats), samples.gt_label, reduction="none")
    expected = (losses * samples.weight).sum() / samples.weight.sum()
    torch.testing.assert_close(head.loss(feats, samples)["loss"], expected)


def test_the_split_on_record_lists_people_of_unknown_gender_and_age(dataset):
    split = split_table(dataset.samples, None).set_index("person")
    assert split.loc["x", "photos"] == 2
    assert split.loc[["x", "y"], "age"].isna().all()
