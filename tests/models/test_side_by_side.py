import pytest
import torch
from mmpretrain.registry import MODELS
from torch.nn import functional

import mmmask.register  # noqa: F401
from mmmask.errors import InputError
from mmmask.models.backbones.mobile_facenet import MobileFaceNet
from mmmask.models.backbones.mobilenet_v1 import FoldedMobileNetV1

PLAIN = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
MOBILENET = {"type": "FoldedMobileNetV1", "out_indices": (1,)}


def test_each_network_sees_its_own_window_size_and_scale():
    given = {
        "face": {
            "backbone": {"type": "MobileFaceNet"},
            "window": (0.25, 0.75, 0.0, 0.5),
            "size": (112, 112),
            "mean": (127.0, 100.0, 90.0),
            "std": (128.0, 64.0, 32.0),
        },
        "whole": {"backbone": MOBILENET, **PLAIN},
    }
    both = MODELS.build({"type": "SideBySide", "networks": given}).eval()
    x = 255 * torch.rand(2, 3, 96, 128)
    window = functional.interpolate(x[:, :, 24:72, :64], (112, 112), mode="bilinear")
    scaled = torch.stack(
        [(window[:, k] - m) / s for k, (m, s) in enumerate(((127, 128), (100, 64), (90, 32)))], 1
    )
    with torch.no_grad():
        face, whole = both(x)
        torch.testing.assert_close(face, both.networks["face"](scaled)[0], rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(whole, both.networks["whole"](x)[0])
    assert face.shape == (2, 512, 1, 1)
    assert isinstance(both.networks["face"], MobileFaceNet)
    assert isinstance(both.networks["whole"], FoldedMobileNetV1)


def test_a_window_that_is_moved_gives_the_mean_and_repeats_the_edge_of_the_photo():
    photo = torch.rand(2, 3, 64, 64)

    def seen(x, window=(0.25, 0.75, 0.0, 1.0), **options):
        network = {"backbone": MOBILENET, "window": window, **PLAIN, **options}
        torch.manual_seed(0)
        model = MODELS.build({"type": "SideBySide", "networks": {"a": network}}).eval()
        model.init_weights()
        with torch.no_grad():
            return model(x)[0]

    up, here = (seen(photo, (top, top + 0.5, 0.0, 1.0)) for top in (0.0, 0.25))
    torch.testing.assert_close(seen(photo, shifts=(-0.25, 0.0)), (up + here) / 2)
    lowest = torch.cat([photo[:, :, 16:], photo[:, :, -1:].expand(-1, -1, 16, -1)], dim=2)
    torch.testing.assert_close(seen(photo, shifts=(0.5,)), seen(lowest, shifts=(0.25,)))
    assert not torch.allclose(up, here)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone": MOBILENET, "mean": (0, 0, 0)}, "a must have backbone, mean and std"),
        (
            {"backbone": MOBILENET, **PLAIN, "crop": 1},
            "a must have .*; got backbone, mean, std, cr",
        ),
        ({"backbone": MOBILENET, **PLAIN, "window": (0.5, 0.4, 0, 1)}, "ascending; got"),
        ({"backbone": MOBILENET, **PLAIN, "window": (0, 1.1, 0, 1)}, "window must be"),
        (
            {"backbone": MOBILENET, **PLAIN, "shifts": ()},
            "shifts must be at least one share .*; got",
        ),
        ({"backbone": MOBILENET, **PLAIN, "shifts": (0, 1)}, "between -1 and 1"),
    ],
)
def test_options_that_cannot_be_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        MODELS.build({"type": "SideBySide", "networks": {"a": options}})
