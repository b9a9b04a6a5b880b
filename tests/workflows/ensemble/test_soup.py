from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import update_bn

from mmmask.errors import InputError
from mmmask.workflows.ensemble.soup import Mean, check_alike, estimate_statistics, soup

FIRST, SECOND = Path("first.pth"), Path("second.pth")
META = {
    "preprocessing": {"size": (32, 24), "crop": (1.0, 1.0)},
    "data": {"fold": 0, "folds": 5, "old_from": 60, "data_root": "a", "pack": "b"},
    "trained_on": "train",
    "dataset_meta": {"classes": ("a", "b")},
}


class Net(nn.Module):
    """A convolution with batch norm, and what the Runner's test calls."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))

    def forward(self, photos):
        return self.body(photos)

    def test_step(self, batch):
        return self(batch)


def weights(seed: int) -> dict:
    torch.manual_seed(seed)
    net = Net()
    nn.init.normal_(net.body[1].running_mean)
    return net.state_dict()


def test_a_soup_is_the_mean_of_the_weights() -> None:
    states = [weights(seed) for seed in range(3)]
    mean = Mean(states[0])
    for state in states[1:]:
        mean.add(state, FIRST, SECOND)
    for name, value in mean.weights().items():
        expected = torch.stack([state[name].double() for state in states]).mean(dim=0)
        assert value.dtype == states[0][name].dtype
        torch.testing.assert_close(value, expected.to(value.dtype))


@pytest.mark.parametrize("members", [2, 3, 7])
def test_a_soup_of_identical_weights_is_them_bit_for_bit(members) -> None:
    state = weights(0)
    mean = Mean(state)
    for _ in range(members - 1):
        mean.add({name: value.clone() for name, value in state.items()}, FIRST, SECOND)
    assert all(torch.equal(value, state[name]) for name, value in mean.weights().items())
    assert mean.weights().keys() == state.keys()


def test_the_members_are_left_as_they_are() -> None:
    one, other = weights(0), weights(1)
    mean = Mean(one)
    mean.add(other, FIRST, SECOND)
    mean.weights()
    assert all(torch.equal(value, one[name]) for name, value in weights(0).items())


def test_weights_of_another_network_are_refused() -> None:
    more = {**weights(0), "extra": torch.zeros(2)}
    wider = {**weights(0), "body.0.weight": torch.zeros(5, 3, 3, 3)}
    for state, name in ((more, "extra is no such and"), (wider, "body.0.weight is")):
        with pytest.raises(InputError, match=f"are of different networks: {name}"):
            Mean(weights(0)).add(state, FIRST, SECOND)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"preprocessing": {"size": (64, 48), "crop": (1.0, 1.0)}}, "another preprocessing"),
        ({"data": {**META["data"], "old_from": 58}}, "other labels, or other people held out"),
        ({"data": {**META["data"], "fold": 1}}, "other labels, or other people held out"),
        ({"trained_on": "all"}, "another training split"),
        ({"unlabelled": {"photos": "eval"}}, "other photos without true labels"),
        ({"dataset_meta": {"classes": ("a",)}}, "other classes"),
    ],
)
def test_members_of_another_training_are_refused(change, sentence) -> None:
    with pytest.raises(InputError) as caught:
        check_alike(META, {**META, **change}, FIRST, SECOND)
    assert f"first.pth and second.pth were trained with {sentence}" in str(caught.value)


def test_where_the_data_lies_may_differ() -> None:
    elsewhere = {**META["data"], "data_root": "x", "pack": None}
    check_alike(META, {**META, "data": elsewhere}, FIRST, SECOND)


def test_statistics_are_those_of_torchs_own_pass_over_the_photos() -> None:
    torch.manual_seed(3)
    batches = [torch.randn(8, 3, 12, 10) * k for k in (1, 2, 3)]
    ours, reference = Net(), Net()
    reference.load_state_dict(ours.state_dict())
    assert estimate_statistics(SimpleNamespace(model=ours, test_dataloader=batches)) == 1
    update_bn(batches, reference)
    for name, value in reference.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value)


def test_a_network_without_batch_norms_needs_no_photos() -> None:
    net = nn.Linear(2, 2)
    assert estimate_statistics(SimpleNamespace(model=net, test_dataloader=None)) == 0


def test_one_checkpoint_and_a_table_as_output_are_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="--soup needs at least two checkpoints; got 1"):
        soup([FIRST], "configs/mobilenet_v2_linear.py", out=tmp_path / "soup.pth")
    with pytest.raises(InputError, match="writes a checkpoint, which ends in"):
        soup([FIRST, SECOND], "configs/mobilenet_v2_linear.py", out=tmp_path / "soup.parquet")
