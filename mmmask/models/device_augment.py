"""Augment a whole batch on the device, in one pass."""

import math

import torch
from mmpretrain.registry import BATCH_AUGMENTS
from torch import Tensor, nn
from torch.nn import functional

from mmmask.errors import InputError


def affine(
    photos: Tensor, *, angle: Tensor, scale: Tensor, shift: Tensor, mirrored: Tensor
) -> Tensor:
    """Mirror, then rotate and scale about the centre, then shift each photo; bilinear.

    What comes from outside is reflected at the border. Rotation is in pixels, so that a photo
    that is not square is not sheared.

    Args:
        photos: Normalised photos.
        angle: Radians, counter-clockwise.
        scale: Above 1 magnifies.
        shift: (right, down) as a fraction of width and height.
        mirrored: -1 mirrors, 1 does not.

    Shape:
        ``photos``: (N, C, H, W); ``shift``: (N, 2); the others (N,) -> (N, C, H, W).
    """
    height, width = photos.shape[-2:]
    cos, sin = angle.cos() / scale, angle.sin() / scale
    # From a pixel of the result to one of the photo, both from -1 to 1 along each side.
    rows = torch.stack(
        [
            torch.stack([cos * mirrored, -sin * mirrored * height / width], dim=1),
            torch.stack([sin * width / height, cos], dim=1),
        ],
        dim=1,
    )  # (N, 2, 2)
    start = -(rows @ (2 * shift)[:, :, None])  # (N, 2, 1)
    grid = functional.affine_grid(torch.cat([rows, start], dim=2), photos.shape, False)
    return functional.grid_sample(
        photos, grid.to(photos.dtype), padding_mode="reflection", align_corners=False
    )


@BATCH_AUGMENTS.register_module()
class DeviceAugment(nn.Module):
    """Mirror, rotate, scale, shift, and change contrast and brightness of a normalised batch.

    Runs where the batch is, so that workers have only to hand over photos. Random numbers come
    from torch's generator, which is seeded each epoch.

    Args:
        flip: Probability of a mirror image.
        rotate: Largest angle in degrees.
        scale: Smallest and largest factor.
        shift: Largest shift as a fraction of width and height.
        contrast: The factor is drawn from 1 - contrast to 1 + contrast.
        brightness: Likewise, the offset in units of the normalised values.
    """

    def __init__(
        self,
        *,
        flip: float = 0.5,
        rotate: float = 0.0,
        scale: tuple[float, float] = (1.0, 1.0),
        shift: float = 0.0,
        contrast: float = 0.0,
        brightness: float = 0.0,
    ) -> None:
        super().__init__()
        if not 0 <= flip <= 1:
            raise InputError(f"device_augment.flip must be from 0 to 1; got {flip}")
        if len(scale) != 2 or not 0 < scale[0] <= scale[1]:
            raise InputError(
                f"device_augment.scale must be (smallest, largest), above 0; got {scale}"
            )
        for name, value, most in (
            ("rotate", rotate, 180),
            ("shift", shift, 1),
            ("contrast", contrast, 1),
            ("brightness", brightness, 10),
        ):
            if not 0 <= value <= most:
                raise InputError(f"device_augment.{name} must be from 0 to {most}; got {value}")
        self.flip, self.rotate, self.scale, self.shift = flip, math.radians(rotate), scale, shift
        self.contrast, self.brightness = contrast, brightness

    def forward(self, photos: Tensor) -> Tensor:
        """Return the augmented batch, (N, C, H, W) -> (N, C, H, W)."""
        random = torch.rand(7, len(photos), device=photos.device)
        even = 2 * random - 1  # from -1 to 1
        low, high = self.scale
        mirrored = torch.where(random[0] < self.flip, -1.0, 1.0)
        if self.rotate or self.shift or low != high or low != 1:
            photos = affine(
                photos,
                angle=self.rotate * even[1],
                scale=low + (high - low) * random[2],
                shift=self.shift * even[3:5].t(),
                mirrored=mirrored,
            )
        else:  # a mirror image needs no interpolation
            photos = torch.where((mirrored < 0)[:, None, None, None], photos.flip(-1), photos)
        if self.contrast or self.brightness:
            gain = 1 + self.contrast * even[5]
            photos = photos * gain[:, None, None, None]
            photos = photos + (self.brightness * even[6])[:, None, None, None]
        return photos
