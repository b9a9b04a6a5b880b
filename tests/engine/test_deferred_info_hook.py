import pytest
from mmengine.hooks import RuntimeInfoHook
from tiny_engine import tiny_config, train

from mmmask.engine.hooks.deferred_info_hook import DeferredInfoHook
from mmmask.engine.optim.wrappers import AsyncOptimWrapper
from mmmask.errors import InputError


def history(tmp_path, name: str, hook: dict, wrapper: str) -> dict[str, list[float]]:
    config = tiny_config(tmp_path / name, epochs=2)
    config.default_hooks["runtime_info"] = hook
    config.optim_wrapper["type"] = wrapper
    scalars = train(config).message_hub.log_scalars
    return {
        name: buffer.data[0].tolist()
        for name, buffer in scalars.items()
        if name.startswith("train/") and "time" not in name
    }


@pytest.mark.parametrize("interval", [1, 3, 100])
def test_what_is_logged_is_what_mmengine_logs(tmp_path, interval: int) -> None:
    deferred = history(
        tmp_path, "ours", {"type": "DeferredInfoHook", "interval": interval}, "AsyncOptimWrapper"
    )
    upstream = history(tmp_path, "theirs", {"type": "RuntimeInfoHook"}, "OptimWrapper")
    assert set(deferred) == set(upstream) >= {"train/loss", "train/grad_norm", "train/lr"}
    for name, values in upstream.items():
        assert deferred[name] == pytest.approx(values, rel=1e-6), name
    assert len(upstream["train/loss"]) == 10


def test_the_norm_stays_a_tensor(tmp_path) -> None:
    config = tiny_config(tmp_path / "run", epochs=1)
    config.optim_wrapper["type"] = "AsyncOptimWrapper"
    wrapper = train(config).optim_wrapper
    assert isinstance(wrapper, AsyncOptimWrapper)
    assert wrapper.gradient_norm.shape == ()
    assert wrapper.gradient_norm > 0


def test_it_stands_in_for_the_hook_of_mmengine() -> None:
    assert issubclass(DeferredInfoHook, RuntimeInfoHook)


def test_an_interval_below_one_is_refused() -> None:
    with pytest.raises(InputError, match="`interval` must be at least 1; got 0"):
        DeferredInfoHook(interval=0)
