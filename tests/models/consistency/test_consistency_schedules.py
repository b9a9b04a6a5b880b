import math

import pytest

from mmmask.models.consistency.classifier import annealed_threshold
from mmmask.models.consistency.losses import ramp_up


def tsa_threshold_of_the_authors(schedule, global_step, num_train_steps, start, end):
    """As in google-research/uda, image/main.py, in plain Python."""
    step_ratio = global_step / num_train_steps
    if schedule == "linear_schedule":
        coeff = step_ratio
    elif schedule == "exp_schedule":
        scale = 5
        coeff = math.exp((step_ratio - 1) * scale)
    else:
        scale = 5
        coeff = 1 - math.exp((-step_ratio) * scale)
    return coeff * (end - start) + start


@pytest.mark.parametrize("schedule", ["linear", "log", "exp"])
@pytest.mark.parametrize("step", [0, 1, 137, 999, 1000])
def test_the_threshold_is_that_of_the_authors_code(schedule, step):
    expected = tsa_threshold_of_the_authors(f"{schedule}_schedule", step, 1000, 1 / 18, 1)
    assert annealed_threshold(step / 1000, schedule, 18) == pytest.approx(expected)


def test_log_releases_labels_before_linear_and_linear_before_exp():
    log, linear, exp = (annealed_threshold(0.4, name, 18) for name in ("log", "linear", "exp"))
    assert 1 / 18 < exp < linear < log < 1


def test_the_ramp_rises_from_nearly_nothing_to_one():
    values = [ramp_up(step / 100, 0.3) for step in range(101)]
    assert values[0] == pytest.approx(math.exp(-5))
    assert values == sorted(values)
    assert values[29] < 1
    assert set(values[30:]) == {1.0}


def test_without_a_ramp_the_whole_weight_counts_from_the_first_step():
    assert ramp_up(0.0, 0.0) == 1.0
