import numpy as np
import pytest
import torch

from mmmask import labels
from mmmask.errors import InputError
from mmmask.labels import age_group, group_probabilities, marginals, median_age, move_cut, product

CUTS = [(30, 60), (30, 58), (20, 61), (29, 120)]


def test_every_label_decodes_and_encodes_back() -> None:
    numbers = np.arange(labels.NUM_CLASSES)
    assert labels.encode(**labels.decode(numbers)).tolist() == numbers.tolist()


@pytest.mark.parametrize(
    ("mask", "gender", "age", "label"), [(0, 0, 0, 0), (0, 1, 2, 5), (1, 0, 0, 6), (2, 1, 1, 16)]
)
def test_label_is_mask_times_6_plus_gender_times_3_plus_age(mask, gender, age, label) -> None:
    assert labels.encode(mask, gender, age) == label == mask * 6 + gender * 3 + age
    assert labels.CLASSES[label] == (
        f"{labels.MASKS[mask]} {labels.GENDERS[gender]} {labels.AGE_GROUPS[age]}"
    )


def test_age_groups_change_at_30_and_at_the_cut() -> None:
    ages = [18, 29, 30, 57, 58, 59, 60]
    assert labels.age_group(ages).tolist() == [0, 0, 1, 1, 1, 1, 2]
    assert labels.age_group(ages, old_from=58).tolist() == [0, 0, 1, 1, 2, 2, 2]


def test_age_cut_below_the_middle_group_is_refused() -> None:
    with pytest.raises(ValueError, match="old_from must be from 31 to 120 years; got 30"):
        labels.age_group([40], old_from=30)


def test_marginals_sum_over_the_other_attributes() -> None:
    joint = np.random.default_rng(0).dirichlet(np.ones(18), size=5)
    parts = labels.marginals(joint)
    for label in range(18):
        indices = {name: int(index) for name, index in labels.decode(label).items()}
        one = np.eye(18)[[label]]
        for name, part in labels.marginals(one).items():
            assert part[0].argmax() == indices[name]
    assert {name: part.shape for name, part in parts.items()} == {
        "mask": (5, 3),
        "gender": (5, 2),
        "age": (5, 3),
    }
    assert all(np.allclose(part.sum(axis=1), 1) for part in parts.values())


def test_the_product_of_three_distributions_has_them_as_its_marginals() -> None:
    random = np.random.default_rng(0)
    parts = {
        name: random.dirichlet(np.ones(size), 5)
        for name, size in zip(("mask", "gender", "age"), (3, 2, 3), strict=True)
    }
    joint = labels.product(parts)
    for label in range(18):
        expected = np.prod(
            [parts[name][:, index] for name, index in labels.decode(label).items()], axis=0
        )
        np.testing.assert_allclose(joint[:, label], expected)
    for name, marginal in labels.marginals(joint).items():
        np.testing.assert_allclose(marginal, parts[name])


@pytest.fixture
def years() -> np.ndarray:
    return np.random.default_rng(0).dirichlet(np.ones(121), size=7)


def joint_of(years: np.ndarray, cuts=(30, 60)) -> np.ndarray:
    random = np.random.default_rng(1)
    mask, gender = random.dirichlet(np.ones(3), 7), random.dirichlet(np.ones(2), 7)
    age = group_probabilities(years, cuts)
    return product({"mask": mask, "gender": gender, "age": age})


@pytest.mark.parametrize("cuts", CUTS)
def test_groups_are_the_sums_of_their_years_in_numpy_and_torch(years, cuts) -> None:
    expected = np.zeros((7, 3))
    for age in range(121):
        expected[:, 0 if age < cuts[0] else 1 if age < cuts[1] else 2] += years[:, age]
    np.testing.assert_allclose(group_probabilities(years, cuts), expected)
    torch.testing.assert_close(
        group_probabilities(torch.tensor(years), cuts), torch.tensor(expected)
    )


@pytest.mark.parametrize("old_from", [31, 57, 60])
def test_the_groups_are_those_of_the_labels(old_from) -> None:
    certain = np.eye(121)
    groups = group_probabilities(certain, (30, old_from)).argmax(axis=1)
    np.testing.assert_array_equal(groups, age_group(np.arange(121), old_from))


def test_an_earlier_cut_never_makes_anybody_less_old(years) -> None:
    old = [group_probabilities(years, (30, cut))[:, 2] for cut in range(31, 121)]
    assert (np.diff(old, axis=0) <= 0).all()


@pytest.mark.parametrize("cuts", CUTS)
def test_moving_the_cut_equals_summing_the_years_anew(years, cuts) -> None:
    moved = move_cut(joint_of(years), years, after=cuts)
    np.testing.assert_allclose(moved, joint_of(years, cuts), rtol=1e-5)
    age = move_cut(group_probabilities(years), years, after=cuts)
    np.testing.assert_allclose(age, group_probabilities(years, cuts), rtol=1e-5)


def test_a_cut_moved_there_and_back_gives_what_was_there(years) -> None:
    joint = joint_of(years)
    moved = move_cut(joint, years, after=(30, 57))
    back = move_cut(moved, years, before=(30, 57), after=(30, 60))
    np.testing.assert_allclose(back, joint, rtol=1e-5)


def test_a_cut_that_stays_changes_nothing_even_if_the_years_disagree(years) -> None:
    other = joint_of(np.random.default_rng(5).dirichlet(np.ones(121), size=7))
    np.testing.assert_allclose(move_cut(other, years, after=(30, 60)), other, rtol=1e-6)


def test_mask_and_gender_keep_their_marginals(years) -> None:
    joint = np.random.default_rng(2).dirichlet(np.ones(18), size=7)  # not independent
    before, after = marginals(joint), marginals(move_cut(joint, years, after=(25, 50)))
    for name in ("mask", "gender"):
        np.testing.assert_allclose(after[name], before[name], rtol=1e-5)


def test_a_group_without_years_keeps_its_probability() -> None:
    years = np.eye(121)[[40, 40]]
    joint = np.full((2, 18), 1 / 18)
    moved = move_cut(joint, years, after=(30, 58))
    np.testing.assert_allclose(moved, joint, rtol=1e-6)


def test_the_median_age_is_where_half_is_reached() -> None:
    years = np.zeros((2, 121))
    years[0, [20, 30, 40]] = 0.4, 0.2, 0.4
    years[1, 77] = 1
    assert median_age(years).tolist() == [30, 77]


@pytest.mark.parametrize("cuts", [(30, 30), (30, 121), (0, 60)])
def test_cuts_that_leave_no_three_groups_are_refused(years, cuts) -> None:
    with pytest.raises(InputError, match=f"got {cuts[1]}"):
        group_probabilities(years, cuts)
