"""Any transforms of Albumentations, seeded like all others."""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmpretrain.datasets.transforms import Albumentations
from mmpretrain.registry import TRANSFORMS

from mmmask.errors import InputError, first_line
from mmmask.packages import require


@TRANSFORMS.register_module()
class SeededAlbumentations(BaseTransform):
    """Transforms of Albumentations, one after the other (Buslaev et al. 2020).

    Differs from MMPretrain's ``Albumentations`` in two ways. Its random numbers come from the
    seed of the photo, so that neither the number of workers nor a resumed run changes the result;
    Albumentations' own generators know nothing of that seed. And the transforms see RGB, which
    those that work on hue or lightness take for granted, instead of BGR.

    Args:
        transforms: Configs: ``type`` is a name in ``albumentations``, the rest are its options;
            ``OneOf``, ``SomeOf`` and others hold ``transforms`` of their own.

    Raises:
        InputError: Albumentations is not installed, or has no such transform or option.
    """

    def __init__(self, transforms: Sequence[dict[str, Any]]) -> None:
        require("augmentations: SeededAlbumentations", "albumentations")
        import albumentations

        names = [str(name) for name in _types(transforms)]
        unknown = [name for name in names if not hasattr(albumentations, name)]
        if unknown:
            raise InputError(
                f"augmentations: type must be a transform of albumentations "
                f"{albumentations.__version__}; got {unknown[0]!r}"
            )
        try:
            self.chain = Albumentations([_strict(config) for config in transforms]).aug
        except (TypeError, ValueError) as error:
            raise InputError(f"augmentations: {', '.join(names)}: {first_line(error)}") from error

    def transform(self, results: dict) -> dict:
        """Augment ``img``, (H, W, 3) uint8 in BGR."""
        seed = np.random.randint(2**32, size=4, dtype=np.uint32)  # noqa: NPY002
        # One pair of generators for all: ``set_random_seed`` would give each transform the same
        # numbers, and those of probability one half would come all together or not at all.
        self.chain.set_random_state(np.random.default_rng(seed), random.Random(int(seed[0])))
        rgb = np.ascontiguousarray(results["img"][..., ::-1])
        image = self.chain(image=rgb)["image"][..., ::-1]
        results["img"] = np.ascontiguousarray(image)
        results["img_shape"] = image.shape[:2]
        return results


def _strict(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config under which unknown options are errors, not warnings."""
    if "transforms" in config:
        return {**config, "transforms": [_strict(inner) for inner in config["transforms"]]}
    return {**config, "strict": True}


def _types(transforms: Sequence[dict[str, Any]]) -> list[Any]:
    """Return the names of all transforms, those inside others too."""
    names = []
    for config in transforms:
        names += [config.get("type"), *_types(config.get("transforms", ()))]
    return names
