import numpy as np
import pandas as pd
import pytest

from mmmask.errors import InputError
from mmmask.evaluation.jackknife import pseudo_values
from mmmask.evaluation.shared_errors import NOT_TOLD, SURE, shared_errors, untold_share
from mmmask.labels import decode, encode, product
from mmmask.tables import answers, predictions_table

MASKS = np.array([0, 0, 0, 0, 0, 1, 2])
STEMS = ("mask1", "mask2", "mask3", "mask4", "mask5", "incorrect_mask", "normal")


def people(number, seed=0):
    """Return image, person and label of seven photos each."""
    random = np.random.default_rng(seed)
    gender, age = random.integers(0, 2, number), random.integers(0, 3, number)
    rows = [
        (f"train/images/{k}/{stem}.jpg", f"{k}", int(encode(mask, gender[k], age[k])))
        for k in range(number)
        for stem, mask in zip(STEMS, MASKS, strict=True)
    ]
    return pd.DataFrame(rows, columns=["image", "person", "label"])


def told(photos, wrong, sure=0.9, seed=1, step=None):
    """Return predictions that are wrong about the age of some photos, (N,)."""
    step = np.random.default_rng(seed).integers(1, 3, len(photos)) if step is None else step
    values = decode(photos["label"].to_numpy())
    values["age"] = (values["age"] + np.where(wrong, step, 0)) % 3
    parts = {}
    for name, size in zip(values, (3, 2, 3), strict=True):
        part = np.full((len(photos), size), (1 - sure) / (size - 1))
        part[np.arange(len(photos)), values[name]] = sure
        parts[name] = part
    return predictions_table(photos, product(parts))


def row(found, of, what):
    return next(each for each in found if (each.of, each.what) == (of, what))


def test_independent_errors_are_as_common_as_by_chance():
    photos = people(300)
    random = np.random.default_rng(2)
    one, other = (told(photos, random.random(2100) < 0.4, seed=seed) for seed in (3, 4))
    found = shared_errors(photos["person"].to_numpy(), one, other, pairings=200)
    assert (found.paired, found.alone) == (300, 0)
    for what in ("both wrong", "of these, the same answer"):
        each = row(found.photos, "age", what)
        assert each.by_chance.low <= each.share.value <= each.by_chance.high, what
    both = row(found.photos, "age", "both wrong")
    assert both.by_chance.value == pytest.approx(0.16, abs=0.01)
    assert row(found.photos, "age", "of these, the same answer").by_chance.value == pytest.approx(
        0.5, abs=0.03
    )
    assert found.untold["age"].low < 0.02


def test_errors_about_the_same_people_exceed_chance():
    photos = people(300)
    hard = np.random.default_rng(2).random(300) < 0.2
    wrong = np.repeat(hard, 7)
    one, other = (told(photos, wrong, seed=5) for _ in range(2))
    found = shared_errors(photos["person"].to_numpy(), one, other, pairings=200)
    both = row(found.photos, "age", "both wrong")
    assert (both.count, both.among) == (7 * hard.sum(), 2100)
    assert both.share.low > both.by_chance.high
    same = row(found.photos, "age", "of these, the same answer")
    assert (same.count, same.share.value) == (both.count, 1.0)
    assert row(found.people, "age", "both wrong").count == hard.sum()
    assert found.untold["age"].value == pytest.approx(hard.mean(), abs=0.01)
    assert row(found.people, "gender", "both wrong").count == 0
    # Of two values, two wrong answers are always the same.
    assert [each.what for each in found.photos if each.of == "gender"] == ["both wrong"]


@pytest.mark.parametrize(("sure", "people_not_told"), [(SURE + 0.05, 60), (SURE - 0.05, 0)])
def test_people_are_not_told_where_both_models_are_sure(sure, people_not_told):
    photos = people(60)
    wrong = np.ones(420, dtype=bool)
    one, other = told(photos, wrong, step=1), told(photos, wrong, sure=sure, step=1)
    found = shared_errors(photos["person"].to_numpy(), one, other, pairings=2)
    assert row(found.people, "age", "both wrong").count == 60
    assert row(found.people, "age", NOT_TOLD).count == people_not_told


def test_chance_is_the_mean_over_all_other_people_of_the_same_classes():
    """Photo by photo, whatever the order of the rows."""
    photos = people(9, seed=3)
    random = np.random.default_rng(4)
    one, other = (told(photos, random.random(63) < 0.5, seed=seed) for seed in (5, 6))
    group = photos.groupby("person")["label"].agg(tuple)
    truth = decode(photos["label"].to_numpy())["age"].reshape(9, 7)
    wrong, also = (decode(answers(table))["age"].reshape(9, 7) != truth for table in (one, other))
    with_others = [who for who in range(9) if (group == group.iloc[who]).sum() > 1]
    assert 0 < len(with_others) < 9
    shares = []
    for who in with_others:
        others = [k for k in with_others if k != who and group.iloc[k] == group.iloc[who]]
        shares.append(np.mean([(wrong[who] & also[k]).mean() for k in others]))
    mixed = np.random.default_rng(7).permutation(63)
    found = shared_errors(
        photos["person"].to_numpy()[mixed], one.iloc[mixed], other.iloc[mixed], pairings=4000
    )
    assert (found.paired, found.alone) == (len(with_others), 9 - len(with_others))
    by_chance = row(found.photos, "age", "both wrong").by_chance.value
    assert by_chance == pytest.approx(np.mean(shares), abs=0.01)
    assert by_chance != pytest.approx((wrong & also)[with_others].mean(), abs=0.03)


def test_people_of_classes_of_their_own_are_refused():
    photos = people(1)
    table = told(photos, np.zeros(7, dtype=bool))
    with pytest.raises(InputError, match="of 1 people no two have"):
        shared_errors(photos["person"].to_numpy(), table, table)


def test_the_untold_share_is_found_where_other_errors_are_independent():
    random = np.random.default_rng(0)
    classes = random.integers(0, 2, 6000)
    never = random.random(6000) < 0.1
    one = never | (random.random(6000) < np.array([0.1, 0.4])[classes])
    other = never | (random.random(6000) < np.array([0.3, 0.5])[classes])
    found = untold_share(classes, one, other)
    assert found.low < 0.1 < found.high
    assert found.high - found.low < 0.04


def test_the_interval_of_the_untold_share_is_the_jackknife():
    random = np.random.default_rng(1)
    classes = np.arange(40) % 3
    one, other = random.random((2, 40)) < 0.4

    def share(kept):
        covariance = sum(
            (one & other & of).sum() - (one & of).sum() * (other & of).sum() / of.sum()
            for of in (kept & (classes == number) for number in range(3))
        )
        return covariance / (~one & ~other & kept).sum()

    everybody = np.ones(40, dtype=bool)
    without = [share(np.arange(40) != who) for who in range(40)]
    expected = pseudo_values(np.array([share(everybody)]), np.array([without]))
    found = untold_share(classes, one, other)
    assert found.value == pytest.approx(share(everybody))
    assert found.high == pytest.approx(expected.interval().high)


def test_a_model_of_one_attribute_has_no_other():
    photos = people(30)
    ages = decode(photos["label"].to_numpy())["age"]
    table = predictions_table(photos, np.eye(3)[(ages + 1) % 3], attribute="age")
    found = shared_errors(photos["person"].to_numpy(), table, table, pairings=3)
    assert {each.of for each in [*found.photos, *found.people]} == {"age"}
    assert row(found.people, "age", NOT_TOLD).share.value == 1
