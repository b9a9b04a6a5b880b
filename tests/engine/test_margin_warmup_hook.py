import pytest
from tiny_engine import tiny_config, train

from mmmask.engine.hooks.margin_warmup_hook import MarginWarmupHook, margin_factor
from mmmask.errors import InputError


@pytest.mark.parametrize(
    ("step", "begin", "end", "factor"),
    [
        *((0, 0, 4, 0.25), (2, 0, 4, 0.75), (3, 0, 4, 1), (9, 0, 4, 1), (0, 0, 0, 1)),
        *((0, 2, 4, 0), (1, 2, 4, 0), (2, 2, 4, 0.5), (3, 2, 4, 1)),
    ],
)
def test_the_factor_grows_linearly_from_begin_to_end(step, begin, end, factor):
    assert margin_factor(step, begin, end) == factor


def test_the_head_gets_a_factor_at_every_step(tmp_path):
    runner = train(tiny_config(tmp_path, epochs=2))  # 5 steps an epoch, warmed up over 1.5
    expected = [min(1, step / 7.5) for step in range(1, 11)]
    assert runner.model.head.factors == pytest.approx(expected)


def test_a_resumed_run_goes_on_with_the_same_factors(tmp_path):
    config = tiny_config(tmp_path, epochs=3)
    train(config, kill={"point": "inside the epoch", "epoch": 2})
    factors = train(config, resume=True).model.head.factors
    assert factors == pytest.approx([min(1, step / 7.5) for step in range(6, 16)])


def test_a_negative_length_is_refused():
    with pytest.raises(InputError, match=r"got 0\.0 and -1"):
        MarginWarmupHook(end=-1)
