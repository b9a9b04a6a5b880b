import numpy as np
import pytest
from mmengine.registry import init_default_scope

import mmmask.register  # noqa: F401
from mmmask.datasets.augmentations.repeated_only import RepeatedOnly
from mmmask.datasets.imbalance import MinoritySampler
from mmmask.datasets.mask_faces import MaskFaceDataset

CUT = {"type": "MouthCutout", "prob": 1.0, "box": (0, 0, 1, 1), "value": 7}


@pytest.mark.parametrize(("repeat", "changed"), [(0, False), (1, True), (4, True)])
def test_a_first_draw_stays_as_it_is(repeat: int, changed: bool) -> None:
    results = {"img": np.zeros((4, 4, 3), dtype=np.uint8), "repeat": repeat}
    assert bool(RepeatedOnly([CUT])(results)["img"].any()) is changed


def test_outside_of_an_epoch_nothing_is_repeated() -> None:
    assert not RepeatedOnly([CUT])({"img": np.zeros((4, 4, 3), dtype=np.uint8)})["img"].any()


def test_of_two_draws_of_an_old_person_exactly_one_is_augmented(make_layout) -> None:
    init_default_scope("mmpretrain")
    ages = [20, 60, 35, 61, 40, 60, 22, 24, 26, 28]
    people = [(f"{number:06d}", "male", age) for number, age in enumerate(ages)]
    dataset = MaskFaceDataset(
        str(make_layout(people)),
        split="all",
        pipeline=[
            {"type": "LoadPhoto"},
            {"type": "RepeatedOnly", "transforms": [CUT]},
            {"type": "PackPhoto"},
        ],
    )
    sampler = MinoritySampler(dataset, times=2, seed=0)
    augmented: dict[int, list[bool]] = {}
    for draw in sampler:
        flat = bool((dataset[draw]["inputs"] == 7).all())
        augmented.setdefault(draw.row, []).append(flat)
    for row, label in enumerate(dataset.labels()):
        assert augmented[row] == ([False, True] if label % 3 == 2 else [False])
