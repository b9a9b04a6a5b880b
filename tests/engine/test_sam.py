"""Against a loop written from algorithm 1 of Foret et al., ICLR 2021."""

import copy

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from torch import nn
from torch.nn import functional

from mmmask.engine.optim.sam import SAMOptimWrapper, ascend
from mmmask.engine.optim.wrappers import AutocastOptimWrapper
from mmmask.errors import InputError

RHO = 0.05


class Net(BaseModel):
    def __init__(self, *, noisy: bool = False) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))
        self.norm = nn.BatchNorm1d(5) if noisy else nn.Identity()
        self.dropout = nn.Dropout(0.5 if noisy else 0)

    def forward(self, inputs, labels, mode="loss"):
        logits = self.layers(self.dropout(self.norm(inputs)))
        return {"loss": functional.cross_entropy(logits, labels)}


def batches(count: int, dtype: torch.dtype = torch.float32) -> list[dict]:
    generator = torch.Generator().manual_seed(0)
    return [
        {
            "inputs": torch.randn(16, 5, generator=generator).to(dtype),
            "labels": torch.randint(3, (16,), generator=generator),
        }
        for _ in range(count)
    ]


def net(dtype: torch.dtype = torch.float32, **options) -> Net:
    torch.manual_seed(1)
    return Net(**options).to(dtype)


def sgd(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)


def train(model: Net, wrapper: OptimWrapper, data: list[dict]) -> None:
    model.train()
    for batch in data:
        model.train_step(batch, wrapper)


def loop_of_the_paper(model: Net, data: list[dict], max_norm: float | None) -> None:
    optimizer = sgd(model)
    for batch in data:
        weights = [w.detach().clone() for w in model.parameters()]
        gradients = torch.autograd.grad(model(**batch)["loss"], list(model.parameters()))
        norm = sum((g**2).sum() for g in gradients) ** 0.5
        for w, g in zip(model.parameters(), gradients, strict=True):
            w.data += RHO * g / norm
        gradients = torch.autograd.grad(model(**batch)["loss"], list(model.parameters()))
        for w, start, g in zip(model.parameters(), weights, gradients, strict=True):
            w.data = start
            w.grad = g
        if max_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()


@pytest.mark.parametrize("max_norm", [None, 0.1], ids=["free", "clipped"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_steps_are_those_of_the_paper(dtype, max_norm):
    model, reference = net(dtype), net(dtype)
    clip_grad = None if max_norm is None else {"max_norm": max_norm}
    train(model, SAMOptimWrapper(sgd(model), rho=RHO, clip_grad=clip_grad), batches(5, dtype))
    loop_of_the_paper(reference, batches(5, dtype), max_norm)
    for ours, theirs in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_they_are_not_those_of_plain_sgd():
    model, plain = net(), net()
    train(model, SAMOptimWrapper(sgd(model), rho=0.5), batches(5))
    train(plain, OptimWrapper(sgd(plain)), batches(5))
    assert not torch.allclose(model.layers[0].weight, plain.layers[0].weight, atol=1e-3)


def test_without_a_neighbourhood_dropout_statistics_and_random_numbers_are_those_of_plain_sgd():
    """The second pass repeats the first's dropout and leaves no trace."""
    results = []
    for wrapper in (OptimWrapper, lambda optimizer: SAMOptimWrapper(optimizer, rho=1e-12)):
        model = net(noisy=True)
        torch.manual_seed(2)
        train(model, wrapper(sgd(model)), batches(4))
        results.append({**model.state_dict(), "next": torch.rand(3)})
    plain, sam = results
    assert plain.keys() == sam.keys()
    for name, value in plain.items():
        torch.testing.assert_close(sam[name], value, rtol=0, atol=1e-6)
    assert sam["norm.num_batches_tracked"] == 4


def test_the_ascent_has_length_rho_and_is_undone():
    weights = [nn.Parameter(torch.randn(shape)) for shape in ((3,), (2, 2), (1,))]
    for weight in weights[:2]:
        weight.grad = torch.randn_like(weight)
    before = [weight.detach().clone() for weight in weights]
    former = ascend(weights, 0.3)
    moved = torch.cat([(w - b).flatten() for w, b in zip(weights, before, strict=True)])
    assert moved.norm().item() == pytest.approx(0.3, rel=1e-5)
    assert all(torch.equal(one, other) for one, other in zip(former, before, strict=True))


def test_a_gradient_of_zero_moves_nothing_and_stays_finite():
    model = net()
    for weight in model.parameters():
        nn.init.zeros_(weight)
    data = {"inputs": torch.zeros(3, 5), "labels": torch.arange(3)}
    before = copy.deepcopy(model.state_dict())
    model.train_step(data, SAMOptimWrapper(sgd(model), rho=RHO))
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=1e-6)


def test_frozen_weights_stay():
    model = net()
    model.layers[0].requires_grad_(False)
    before = model.layers[0].weight.clone()
    train(model, SAMOptimWrapper(sgd(model), rho=RHO), batches(2))
    assert torch.equal(model.layers[0].weight, before)
    assert model.layers[2].weight.isfinite().all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rho": 0.0}, "optim_wrapper.rho must be above 0; got 0.0"),
        ({"accumulative_counts": 2}, "optim_wrapper.accumulative_counts must be 1 .* got 2"),
    ],
)
def test_what_it_cannot_do_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        SAMOptimWrapper(sgd(net()), **options)


def test_a_model_of_several_passes_per_step_is_refused():
    model = net()
    wrapper = SAMOptimWrapper(sgd(model))
    with wrapper.optim_context(model):
        losses = [model(**batch)["loss"] for batch in batches(2)]
    with pytest.raises(InputError, match="one forward pass per step; got 2"):
        wrapper.update_params(sum(losses))


def test_its_options_are_refused_by_mixed_precision():
    with pytest.raises(TypeError, match="unexpected keyword argument 'rho'"):
        AutocastOptimWrapper(sgd(net()), rho=RHO)
