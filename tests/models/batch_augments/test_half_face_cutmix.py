import pytest
import torch

from mmmask.models.batch_augments.half_face_cutmix import HalfFaceCutMix, partners


@pytest.mark.parametrize("seed", range(5))
def test_partners_are_a_permutation_within_each_class_without_fixed_points(seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 6, (40,), generator=random)
    partner = partners(labels, torch.rand(40, generator=random))
    assert sorted(partner.tolist()) == list(range(40))
    assert torch.equal(labels[partner], labels)
    alone = torch.bincount(labels)[labels] == 1
    assert torch.equal(partner == torch.arange(40), alone)


def test_partners_follow_a_loop_over_the_classes() -> None:
    labels, keys = torch.tensor([2, 0, 2, 2, 0, 5]), torch.tensor([0.5, 0.9, 0.1, 0.7, 0.2, 0.3])
    expected = [0] * 6
    for label in (0, 2, 5):
        circle = sorted((i for i in range(6) if labels[i] == label), key=lambda i: keys[i])
        for place, photo in enumerate(circle):
            expected[photo] = circle[(place + 1) % len(circle)]
    assert partners(labels, keys).tolist() == expected


def test_every_partner_is_equally_likely() -> None:
    labels = torch.zeros(4, dtype=torch.int64)
    torch.manual_seed(0)
    counts = torch.zeros(4, 4)
    for _ in range(3000):
        counts[torch.arange(4), partners(labels, torch.rand(4))] += 1
    others = counts[~torch.eye(4, dtype=torch.bool)] / 3000
    assert (others - 1 / 3).abs().max() < 0.045  # five standard deviations


def test_left_halves_stay_and_right_halves_come_from_the_partner() -> None:
    photos = torch.arange(4.0)[:, None, None, None].expand(4, 3, 2, 5).clone()
    scores = torch.eye(18)[[7, 7, 3, 7]]
    torch.manual_seed(0)
    joined, mixed = HalfFaceCutMix()(photos, scores)
    torch.manual_seed(0)
    partner = partners(torch.tensor([7, 7, 3, 7]), torch.rand(4))
    assert torch.equal(joined[..., :2], photos[..., :2])
    assert torch.equal(joined[..., 2:], photos[partner][..., 2:])
    assert torch.equal(joined[2], photos[2])
    assert torch.equal(mixed, scores)


def test_the_photos_given_stay_and_so_does_their_memory_format() -> None:
    photos = torch.rand(4, 3, 6, 4).to(memory_format=torch.channels_last)
    before = photos.clone()
    joined, _ = HalfFaceCutMix()(photos, torch.eye(18)[[1, 1, 1, 1]])
    assert torch.equal(photos, before)
    assert joined.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_the_same_partners_on_a_gpu() -> None:
    photos, scores = torch.rand(16, 3, 6, 4), torch.eye(18)[torch.arange(16) % 5]
    torch.manual_seed(3)
    here, _ = HalfFaceCutMix()(photos, scores)
    torch.manual_seed(3)
    there, _ = HalfFaceCutMix()(photos.cuda(), scores.cuda())
    assert torch.equal(here, there.cpu())
