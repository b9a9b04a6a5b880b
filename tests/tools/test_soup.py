"""A soup from the command line, tested as a checkpoint of its own."""

import pytest
import torch

from mmmask.ledger.provenance import file_hash

from .conftest import tool


@pytest.fixture(scope="module")
def soup(run, tmp_path_factory):
    out = tmp_path_factory.mktemp("soup") / "soup.pth"
    members = [run.work_dir / "epoch_2.pth", run.best]
    done = tool("ensemble.py", *members, "--soup", run.config, "--out", out)
    assert done.returncode == 0, done.stderr
    assert str(out) in done.stdout
    return out, members


def test_the_soup_is_a_checkpoint_that_the_test_takes(run, soup, tmp_path) -> None:
    out, members = soup
    done = tool("test.py", run.config, out, "--split", "val", "--out", tmp_path / "p.parquet")
    assert done.returncode == 0, done.stderr
    assert "macro F1" in done.stdout
    assert "warning: its epoch was chosen as the best by these very people" in done.stdout
    content = torch.load(out, weights_only=False)
    stated = content["meta"]["soup"]
    assert [part["hash"] for part in stated["members"]] == [file_hash(path) for path in members]
    assert stated["batch_norms_estimated"] == 52
    assert content["meta"]["trained_on"] == "train"
    assert content["meta"]["chosen_by"] == "macro_f1"  # one of the two
    assert not {"epoch", "iter"} & content["meta"].keys()
    assert content.keys() == {"meta", "state_dict"}


def test_weights_are_means_and_statistics_are_estimated_anew(soup) -> None:
    out, members = soup
    found, one, other = (torch.load(p, weights_only=False)["state_dict"] for p in (out, *members))
    weight, mean = "backbone.conv1.conv.weight", "backbone.conv1.bn.running_mean"
    torch.testing.assert_close(found[weight], (one[weight] + other[weight]) / 2)
    assert not torch.allclose(found[mean], (one[mean] + other[mean]) / 2)
