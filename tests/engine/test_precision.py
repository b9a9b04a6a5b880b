import copy

import pytest
import torch
from tiny_engine import TinyNet, differences, state, tiny_config, train
from torch.nn.utils import get_total_norm

from mmmask.engine.optim.wrappers import AutocastOptimWrapper
from mmmask.errors import InputError

DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}
BATCH = {
    "inputs": torch.randn(8, 3, 6, 6, generator=torch.Generator().manual_seed(0)),
    "labels": torch.arange(8),
}


def step(net: TinyNet, wrapper) -> float:
    with wrapper.optim_context(net):
        loss = net(**BATCH, mode="loss")["loss"]
    wrapper.update_params(loss)
    return loss.item()


def sgd(net: TinyNet, lr: float = 0.1):
    return torch.optim.SGD(net.parameters(), lr=lr)


@pytest.mark.parametrize("dtype", DTYPES)
def test_convolutions_run_in_the_low_precision_and_the_loss_stays_finite(dtype):
    net = TinyNet()
    wrapper = AutocastOptimWrapper(sgd(net), dtype=dtype)
    before = copy.deepcopy(net.state_dict())
    losses = [step(net, wrapper) for _ in range(3)]
    assert net.feature_dtype == DTYPES[dtype]
    assert torch.tensor(losses).isfinite().all()
    assert all(parameter.dtype == torch.float32 for parameter in net.parameters())
    assert not torch.equal(before["conv.weight"], net.conv.weight)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_step_is_that_of_full_precision_up_to_rounding(dtype):
    net = TinyNet().eval()
    exact = copy.deepcopy(net)
    step(net, AutocastOptimWrapper(sgd(net), dtype=dtype))
    exact(**BATCH, mode="loss")["loss"].backward()
    sgd(exact).step()
    for low, full in zip(net.parameters(), exact.parameters(), strict=True):
        assert torch.allclose(low, full, atol=2e-3)


@pytest.mark.parametrize("dtype", DTYPES)
def test_gradients_are_clipped_at_their_true_size(dtype):
    net = TinyNet()
    before = [parameter.detach().clone() for parameter in net.parameters()]
    wrapper = AutocastOptimWrapper(sgd(net, lr=1.0), dtype=dtype, clip_grad={"max_norm": 0.01})
    step(net, wrapper)
    pairs = zip(net.parameters(), before, strict=True)
    moved = [after.detach() - start for after, start in pairs]
    assert get_total_norm(moved).item() == pytest.approx(0.01, rel=1e-2)


@pytest.mark.parametrize("dtype", DTYPES)
def test_gradients_are_accumulated_over_several_steps(dtype):
    net = TinyNet().eval()
    wrapper = AutocastOptimWrapper(sgd(net), dtype=dtype, accumulative_counts=2)
    wrapper.initialize_count_status(net, 0, 4)
    weight = net.conv.weight.detach().clone()
    step(net, wrapper)
    assert torch.equal(weight, net.conv.weight)
    twice = net.conv.weight.grad.clone() * 2 / wrapper.scaler.get_scale()
    step(net, wrapper)
    assert torch.allclose(weight - 0.1 * twice, net.conv.weight, atol=1e-4)


def test_a_step_with_overflowing_gradients_is_skipped_and_the_scale_halved():
    net = TinyNet()
    wrapper = AutocastOptimWrapper(sgd(net), dtype="float16")
    scale = wrapper.scaler.get_scale()
    weight = net.conv.weight.detach().clone()
    wrapper.update_params(net(**BATCH, mode="loss")["loss"] * float("inf"))
    assert torch.equal(weight, net.conv.weight)
    assert wrapper.scaler.get_scale() == scale / 2


def test_the_scale_is_stored_and_restored():
    net = TinyNet()
    wrapper = AutocastOptimWrapper(sgd(net), dtype="float16")
    wrapper.update_params(net(**BATCH, mode="loss")["loss"] * float("inf"))
    other = AutocastOptimWrapper(sgd(net), dtype="float16")
    other.load_state_dict(copy.deepcopy(wrapper.state_dict()))
    assert other.scaler.state_dict() == wrapper.scaler.state_dict()


def test_a_state_of_full_precision_or_of_another_dtype_is_accepted():
    net = TinyNet()
    states = [
        AutocastOptimWrapper(sgd(net), dtype="bfloat16").state_dict(),
        sgd(net).state_dict(),
    ]
    for stored in states:
        AutocastOptimWrapper(sgd(net), dtype="float16").load_state_dict(stored)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path, dtype):
    optimizer = {"type": "AdamW", "lr": 0.02}
    wrapper = {"type": "AutocastOptimWrapper", "dtype": dtype, "optimizer": optimizer}
    configs = [
        tiny_config(tmp_path / name, epochs=3, optim_wrapper=wrapper) for name in ("one", "two")
    ]
    train(configs[0])
    train(configs[1], kill={"point": "inside the epoch", "epoch": 2})
    train(configs[1], resume=True)
    files = [tmp_path / name / "epoch_3.pth" for name in ("one", "two")]
    assert not differences(*map(state, files))
    assert ("scale" in state(files[0])["optimizer"]["scaler"]) == (dtype == "float16")


def test_an_unknown_dtype_is_named():
    with pytest.raises(InputError, match=r"bfloat16, float16; got 'int8'"):
        AutocastOptimWrapper(sgd(TinyNet()), dtype="int8")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("dtype", DTYPES)
def test_both_precisions_train_on_a_gpu(tmp_path, dtype):
    optimizer = {"type": "AdamW", "lr": 0.02}
    wrapper = {"type": "AutocastOptimWrapper", "dtype": dtype, "optimizer": optimizer}
    runner = train(tiny_config(tmp_path, epochs=2, optim_wrapper=wrapper))
    losses = runner.message_hub.get_scalar("train/loss").data[0]
    assert torch.tensor(losses).isfinite().all()
