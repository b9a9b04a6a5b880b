"""Two gloo processes with unequal shares of a batch have the gradients of one process.

In float64: in float32 the sums of 3, of 7 and of 10 photos round apart, on some processors by more
than a wrong denominator would show.
"""

from datetime import timedelta
from itertools import product

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from mmmask.models.ages.ordinal import CornAge
from mmmask.models.heads.arcface import MaskArcFaceHead
from mmmask.models.heads.cosface import MaskCosFaceHead
from mmmask.models.heads.decomposed import DecomposedHead
from mmmask.models.heads.linear import MaskLinearHead
from mmmask.models.losses.f1 import SoftMacroF1Loss
from mmmask.models.losses.focal import SoftmaxFocalLoss
from mmmask.models.losses.ldam import LDAMLoss
from mmmask.models.losses.mix import LossMix
from mmmask.models.losses.symmetric import SymmetricCrossEntropyLoss
from mmmask.structures import SampleBatch

PHOTOS = 10
SHARES = (slice(0, 3), slice(3, PHOTOS))  # one slice per process
FOCAL = {"type": SoftmaxFocalLoss, "class_weight": "inverse", "label_smoothing": 0.1}
F1 = {"type": SoftMacroF1Loss}
MIX = {"losses": {"f1": F1, "focal": FOCAL}, "loss_weights": {"f1": 0.4, "focal": 0.6}}
CASES = {
    "linear, focal over weights": (MaskLinearHead, {"loss": FOCAL}),
    "linear, focal over samples": (MaskLinearHead, {"loss": {**FOCAL, "denominator": "samples"}}),
    "arcface, cross-entropy": (MaskArcFaceHead, {"margin": "adaptive", "sub_centers": 2}),
    "cosface, ldam": (MaskCosFaceHead, {"scale": 8.0, "loss": {"type": LDAMLoss}}),
    "decomposed, focal": (DecomposedHead, {"loss": FOCAL}),
    "decomposed, agreement": (DecomposedHead, {"agreement": 2.0}),
    "linear, f1": (MaskLinearHead, {"loss": F1}),
    "decomposed, f1": (DecomposedHead, {"loss": F1}),
    "linear, f1 and focal": (MaskLinearHead, {"loss": {"type": LossMix, **MIX}}),
    "linear, symmetric": (MaskLinearHead, {"loss": {"type": SymmetricCrossEntropyLoss}}),
    "decomposed, years": (DecomposedHead, {"age": {"type": CornAge.__name__}, "age_groups": True}),
}
#: Whether labels and ages are known, or partly.
KNOWN = [True, False]


class TinyClassifier(nn.Module):
    def __init__(self, case):
        super().__init__()
        torch.manual_seed(0)
        kind, options = CASES[case]
        self.backbone = nn.Linear(6, 8)
        self.head = kind(8, **options)
        self.head.set_class_counts(torch.arange(1.0, 19.0))
        self.double()

    def forward(self, photos, samples):
        return sum(self.head.loss((self.backbone(photos),), samples).values())


def batch(known, share=slice(None)):
    generator = torch.Generator().manual_seed(1)
    photos = torch.randn(PHOTOS, 6, generator=generator, dtype=torch.float64)
    samples = SampleBatch()
    samples.gt_label = torch.randint(0, 18, (PHOTOS,), generator=generator)[share]
    samples.age = torch.arange(20, 20 + 4 * PHOTOS, 4)[share]
    if not known:
        forget(samples, torch.arange(PHOTOS)[share])
    samples.person = torch.tensor([4, 4, -1, 7, 7, 7, -1, 9, 5, 5])[share]  # none in both shares
    samples.weight = torch.rand(PHOTOS, generator=generator, dtype=torch.float64)[share]
    return photos[share], samples


def forget(samples, rows):
    """The first three photos, those of one process, know the mask alone; one knows nothing."""
    same = [
        one[None] == one[samples.gt_label][:, None]
        for one in torch.unravel_index(torch.arange(18), (3, 2, 3))
    ]
    mask, gender, group = same
    samples.fits = mask & gender & group
    samples.fits[rows < 3] = mask[rows < 3]
    samples.fits[rows > 7] = (gender & group)[rows > 7]
    samples.fits[rows == 6] = True
    first = samples.age // 10 * 10
    samples.age_span = torch.stack([first, first + 9], dim=1)
    samples.age_span[rows < 3] = torch.tensor([0, 120])
    samples.age[rows != 5] = -1


def gradients(model):
    return {name: parameter.grad for name, parameter in model.named_parameters()}


def work(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/meeting",
        rank=rank,
        world_size=len(SHARES),
        timeout=timedelta(seconds=60),
    )
    outcome = {}
    for case, known in product(CASES, KNOWN):
        model = DistributedDataParallel(TinyClassifier(case))
        loss = model(*batch(known, SHARES[rank]))
        loss.backward()
        outcome[case, known] = (loss.detach(), gradients(model.module))
        if rank == 0:  # a validation loss of one process alone must not wait for the other
            with torch.no_grad():
                outcome[case, known, "alone"] = model.module(*batch(known, SHARES[rank]))
    torch.save(outcome, f"{folder}/{rank}.pth")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    mp.spawn(work, args=(str(folder),), nprocs=len(SHARES))
    return [torch.load(folder / f"{rank}.pth") for rank in range(len(SHARES))]


@pytest.mark.parametrize("known", KNOWN)
@pytest.mark.parametrize("case", CASES)
def test_two_processes_have_the_gradients_of_one(case, known, outcomes):
    model = TinyClassifier(case)
    model(*batch(known)).backward()
    for outcome in outcomes:
        torch.testing.assert_close(outcome[case, known][1], gradients(model), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("known", KNOWN)
@pytest.mark.parametrize("case", CASES)
def test_the_losses_of_two_processes_average_to_that_of_one(case, known, outcomes):
    expected = TinyClassifier(case)(*batch(known)).detach()
    torch.testing.assert_close(
        (outcomes[0][case, known][0] + outcomes[1][case, known][0]) / 2, expected
    )


@pytest.mark.parametrize("known", KNOWN)
@pytest.mark.parametrize("case", CASES)
def test_without_gradients_the_mean_is_the_processs_own(case, known, outcomes):
    expected = TinyClassifier(case)(*batch(known, SHARES[0])).detach()
    torch.testing.assert_close(outcomes[0][case, known, "alone"], expected)
