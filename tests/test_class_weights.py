import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight

from mmmask.class_weights import (
    CLASS_WEIGHTS,
    checked_counts,
    effective_number,
    inverse,
    one_minus_share,
    rule_by_name,
)
from mmmask.errors import InputError

COUNTS = torch.tensor([10.0, 30.0, 60.0], dtype=torch.float64)


def test_one_minus_share_is_one_minus_the_share_of_the_photos():
    torch.testing.assert_close(one_minus_share(COUNTS), COUNTS.new_tensor([0.9, 0.7, 0.4]))


def test_inverse_equals_scikit_learns_balanced_weights():
    labels = np.repeat(np.arange(3), COUNTS.int().numpy())
    balanced = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(inverse(COUNTS).numpy(), balanced, rtol=1e-12)


@pytest.mark.parametrize("beta", [0.9, 0.999, 0.9999])
def test_effective_number_equals_the_papers_formula_in_a_loop(beta):
    raw = [(1 - beta) / (1 - beta**count) for count in COUNTS.tolist()]
    expected = [3 * weight / sum(raw) for weight in raw]
    np.testing.assert_allclose(effective_number(COUNTS, beta=beta).numpy(), expected, rtol=1e-9)


def test_effective_number_lies_between_equal_and_inverse_weights():
    torch.testing.assert_close(effective_number(COUNTS, beta=0.0), torch.ones(3).double())
    nearly_inverse = effective_number(COUNTS, beta=1 - 1e-9)
    scaled = inverse(COUNTS) * 3 / inverse(COUNTS).sum()
    torch.testing.assert_close(nearly_inverse, scaled, rtol=1e-6, atol=0)


def test_effective_number_refuses_a_beta_of_one():
    with pytest.raises(ValueError, match=r"beta must be at least 0 and below 1; got 1"):
        effective_number(COUNTS, beta=1.0)


@pytest.mark.parametrize("name", CLASS_WEIGHTS)
def test_a_rarer_class_never_weighs_less(name):
    weights = rule_by_name(name)(torch.tensor([1, 5, 40, 400, 4000]).double())
    assert (weights.diff() < 0).all()


@pytest.mark.parametrize("name", ["inverse", "effective_number"])
def test_an_absent_class_weighs_as_much_as_the_rarest_present(name):
    weights = rule_by_name(name)(torch.tensor([0, 10, 30]).double())
    assert weights.isfinite().all()
    assert weights[0] == weights[1] > weights[2]


def test_an_absent_class_has_weight_one_by_its_share():
    assert one_minus_share(torch.tensor([0, 10, 30]).double())[0] == 1


def test_an_unknown_name_is_refused_with_the_names_that_exist():
    with pytest.raises(
        InputError, match="one_minus_share, inverse, effective_number; got 'invers'"
    ):
        rule_by_name("invers")


def test_counts_of_another_number_of_classes_are_refused():
    with pytest.raises(ValueError, match="18 classes of the head or loss; got 3"):
        checked_counts(COUNTS, 18)


@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf")])
def test_counts_that_count_nothing_are_refused(bad):
    with pytest.raises(ValueError, match="finite and at least 0"):
        checked_counts(torch.tensor([bad, 1.0]), 2)


def test_an_empty_training_split_is_the_users_error():
    with pytest.raises(InputError, match="at least one labelled photo"):
        checked_counts(torch.zeros(3), 3)
