import pandas as pd
import pytest
from tiny_engine import tiny_config, train, without_validation

from mmmask.engine.hooks.person_split_hook import check_disjoint, split_table
from mmmask.errors import InputError


def people(*names: str | None) -> pd.DataFrame:
    size = len(names)
    columns = {"person": names, "gender": ["male"] * size, "age": range(20, 20 + size)}
    return pd.DataFrame({"image": [f"{row}.jpg" for row in range(size)], **columns})


def test_a_person_on_both_sides_is_refused_by_name_and_number():
    check_disjoint(people("a", "b"), people("c"))
    with pytest.raises(InputError, match=r"got 1 in both: b$"):
        check_disjoint(people("a", "b"), people("b", "c"))
    names = [str(person) for person in range(9)]
    with pytest.raises(InputError, match=r"got 9 in both: 0, 1, 2, \.\.\.$"):
        check_disjoint(people(*names), people(*reversed(names)))


def test_photos_without_a_known_person_are_no_leak():
    check_disjoint(people("a", None), people("b", None))


def test_the_table_has_one_row_a_person():
    table = split_table(people("a", "a", "b"), people("c"))
    assert table.to_dict("list") == {
        "person": ["a", "b", "c"],
        "part": ["train", "train", "val"],
        "gender": ["male"] * 3,
        "age": [20, 22, 20],
        "photos": [2, 1, 1],
    }


def test_what_the_samples_do_not_tell_of_a_person_is_missing():
    table = split_table(people("a", "b").drop(columns=["gender", "age"]), None)
    assert table["photos"].tolist() == [1, 1]
    assert table[["gender", "age"]].isna().all(axis=None)


def with_split_check(tmp_path):
    config = tiny_config(tmp_path, epochs=1)
    config.custom_hooks = [{"type": "PersonSplitHook"}]
    return config


def test_a_run_writes_its_split(tmp_path):
    train(with_split_check(tmp_path))
    table = pd.read_csv(tmp_path / "split.csv")
    assert table["part"].value_counts().to_dict() == {"train": 20, "val": 12}
    assert table["photos"].sum() == 64


def test_a_run_on_everybody_writes_its_split(tmp_path):
    train(without_validation(with_split_check(tmp_path)))
    assert set(pd.read_csv(tmp_path / "split.csv")["part"]) == {"train"}


def test_a_leak_stops_the_run_before_its_first_step(tmp_path):
    config = with_split_check(tmp_path)
    config.val_dataloader.dataset.people = "train"
    with pytest.raises(InputError, match="12 in both: train0, train1, train10"):
        train(config)
    assert not list(tmp_path.glob("*.pth"))
    assert not (tmp_path / "split.csv").exists()
