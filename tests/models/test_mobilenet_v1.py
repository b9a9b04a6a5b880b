import pytest
import torch
from mmpretrain.registry import MODELS
from torch import nn
from torch.nn import functional

import mmmask.register  # noqa: F401
from mmmask.engine.pretrained import check_pretrained
from mmmask.errors import InputError
from mmmask.models.backbones.mobilenet_v1 import BLOCKS, FoldedMobileNetV1, IdentityNorm
from mmmask.models.hires_cam import hires_cam
from mmmask.models.layers import blocks, depths


def random_weights(seed: int = 0) -> dict[str, torch.Tensor]:
    """Weights as a file of folded ones has them: a plain sequence, and heads."""
    torch.manual_seed(seed)
    parts: list[nn.Module] = [nn.Conv2d(3, 32, 3), nn.ReLU6()]
    into = 32
    for out, _ in BLOCKS:
        parts += [nn.Conv2d(into, into, 3, groups=into), nn.ReLU6()]
        parts += [nn.Conv2d(into, out, 1), nn.ReLU6()]
        into = out
    own = nn.Sequential(*parts).state_dict()
    state = {f"backbone.{name}": 2 * value for name, value in own.items()}
    return {**state, "age.weight": torch.zeros(3, 4)}


def classifier(weights: str | None, **options) -> nn.Module:
    init_cfg = weights and {"type": "Pretrained", "checkpoint": weights, "prefix": "backbone"}
    backbone = {"type": "FoldedMobileNetV1", **options}
    if init_cfg:
        backbone["init_cfg"] = init_cfg
    model = MODELS.build(
        {
            "type": "ImageClassifier",
            "backbone": backbone,
            "neck": {"type": "GlobalAveragePooling"},
            "head": {"type": "MaskLinearHead", "in_channels": 1024},
        }
    )
    model.init_weights()
    return model.eval()


def same_padded(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, stride: int, groups: int
) -> torch.Tensor:
    """Convolve as TensorFlow defines "SAME": with the zeros needed, an odd one at the end."""
    kernel = weight.shape[-1]
    sides: list[int] = []
    for length in (x.shape[3], x.shape[2]):
        total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
        sides += [total // 2, total - total // 2]
    return functional.conv2d(functional.pad(x, sides), weight, bias, stride, 0, 1, groups)


def by_hand(state: dict[str, torch.Tensor], x: torch.Tensor) -> list[torch.Tensor]:
    """Return the maps after each block, from the weights of a file; ``x`` is in BGR."""
    convolutions = [(2, 1)]
    into = 32
    for out, stride in BLOCKS:
        convolutions += [(stride, into), (1, 1)]
        into = out
    maps = []
    for place, (stride, groups) in enumerate(convolutions):
        weight, bias = (state[f"backbone.{2 * place}.{part}"] for part in ("weight", "bias"))
        x = same_padded(x, weight, bias, stride, groups).clamp(0, 6)
        if place and place % 2 == 0:
            maps.append(x)
    return maps


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("weights") / "folded.pth"
    torch.save(random_weights(), path)
    return str(path)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("size", [(64, 64), (51, 70)])
def test_it_computes_what_the_weights_of_a_file_say(weights, size, batch_norm):
    model = classifier(weights, out_indices=(1, 6, 13), batch_norm=batch_norm)
    check_pretrained(model, weights)
    x = 3 * torch.randn(2, 3, *size)
    expected = by_hand(random_weights(), x.flip(1))
    with torch.no_grad():
        for photos in (x, x.to(memory_format=torch.channels_last)):
            found = model.backbone(photos)
            assert len(found) == 3
            for number, one in zip((1, 6, 13), found, strict=True):
                torch.testing.assert_close(one, expected[number - 1], rtol=1e-4, atol=1e-4)
    assert expected[12].std() > 0


def test_batch_norms_put_back_change_nothing_in_the_first_training_step_either(weights):
    model = classifier(weights, batch_norm=True, out_indices=(1, 7, 13))
    photos = torch.randn(8, 3, 64, 64)
    with torch.no_grad():
        expected = model.backbone(photos)
        first = model.train().backbone(photos)
        afterwards = model.eval().backbone(photos)
    for known, one, other in zip(expected, first, afterwards, strict=True):
        torch.testing.assert_close(one, known, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(other, known, rtol=0.02, atol=0.02)


def test_a_batch_norm_put_back_normalises_from_its_second_batch_on():
    norm = IdentityNorm(4).train()
    maps = 3 * torch.randn(8, 4, 5, 5) + 1
    torch.testing.assert_close(norm(maps), maps, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(norm(7 * maps - 2), maps, rtol=1e-4, atol=1e-4)


def test_a_checkpoint_with_batch_norms_is_folded_into_a_network_without(tmp_path):
    trained = classifier(None, batch_norm=True)
    trained.train().backbone(torch.randn(4, 3, 64, 64))
    trained.eval()
    for part in trained.modules():
        if isinstance(part, nn.BatchNorm2d):
            for value in (part.weight, part.bias, part.running_mean, part.running_var):
                nn.init.uniform_(value, 0.5, 1.5)
    path = str(tmp_path / "trained.pth")
    torch.save({"state_dict": trained.state_dict()}, path)
    folded = classifier(path)
    check_pretrained(folded, path)
    photos = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = trained.backbone(photos)[0]
        torch.testing.assert_close(folded.backbone(photos)[0], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_weights_with_a_convolution_less_are_refused(tmp_path, batch_norm):
    state = random_weights()
    del state["backbone.4.weight"]
    torch.save(state, tmp_path / "cut.pth")
    with pytest.raises(InputError, match=r"1 of its \d+ .* such as blocks\.0\.pointwise\.weight"):
        check_pretrained(classifier(None, batch_norm=batch_norm), str(tmp_path / "cut.pth"))


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_block_of_two_convolutions_is_one_depth(batch_norm):
    backbone = FoldedMobileNetV1(batch_norm=batch_norm)
    by_name, head = depths(backbone)
    assert head == len(list(blocks(backbone))) == 14
    assert by_name["stem.weight"] == 0
    assert by_name["blocks.4.depthwise.bias"] == by_name["blocks.4.pointwise.weight"] == 5


def test_frozen_stages_are_not_trained_and_stay_in_evaluation_mode():
    backbone = FoldedMobileNetV1(frozen_stages=2, batch_norm=True).train()
    frozen = [name for name, value in backbone.named_parameters() if not value.requires_grad]
    by_name, _ = depths(backbone)
    assert frozen == [name for name, depth in by_name.items() if depth <= 2]
    assert not backbone.blocks[1].pointwise.norm.training
    assert backbone.blocks[2].pointwise.norm.training


def test_hires_cam_gives_one_map_per_photo(weights):
    heat = hires_cam(classifier(weights, out_indices=(5, 13)), torch.randn(2, 3, 64, 64))
    assert heat.shape == (2, 64, 64)
    assert 0 <= heat.min() <= heat.max() == 1


def test_from_scratch_the_signal_reaches_the_last_block():
    backbone = classifier(None).backbone
    with torch.no_grad():
        (last,) = backbone(torch.randn(4, 3, 128, 128))
    assert 0.1 < last.std() < 6


@pytest.mark.parametrize("wrong", [(0,), (14,), (), (5, 3), (2, 2)])
def test_blocks_that_do_not_exist_are_refused(wrong):
    with pytest.raises(InputError, match=r"out_indices must be ascending .* from 1 to 13, .*; got"):
        FoldedMobileNetV1(out_indices=wrong)


def test_stages_that_do_not_exist_are_refused():
    with pytest.raises(InputError, match=r"frozen_stages must be .* from -1 to 13; got 14"):
        FoldedMobileNetV1(frozen_stages=14)


def test_the_last_blocks_alone_go_on_from_the_map_before_them(weights, capfd):
    x = torch.randn(2, 3, 64, 64)
    whole = classifier(weights, out_indices=(11, 13)).backbone
    first = classifier(weights, out_indices=(11,)).backbone
    init_cfg = {"type": "Pretrained", "checkpoint": weights, "prefix": "backbone"}
    rest = FoldedMobileNetV1(first_block=12, out_indices=(11, 13), init_cfg=init_cfg)
    rest.init_weights()
    said = "".join(capfd.readouterr())
    assert "unexpected key" not in said
    assert len(first.blocks) == 11
    with torch.no_grad():
        for one, other in zip(whole(x), rest(first(x)), strict=True):
            torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"first_block": 0}, "first_block must be .* from 1 to 13; got 0"),
        ({"first_block": 12, "out_indices": (11,)}, "from 11 to 13, the last at least 12; got"),
        ({"first_block": 12, "out_indices": (10, 13)}, "from 11 to 13, .*; got"),
    ],
)
def test_a_part_that_does_not_exist_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        FoldedMobileNetV1(**options)
