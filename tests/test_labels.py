import numpy as np
import pytest

from mmmask import labels


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
    with pytest.raises(ValueError, match="above 30 years, got 30"):
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
