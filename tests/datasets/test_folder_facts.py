import shutil

import pandas as pd
import pytest

from mmmask.datasets.folder_facts import PROBLEMS, folder_facts, shared_ids

PEOPLE = [(f"{number:06d}", "male", 20 + number) for number in range(4)]


@pytest.fixture
def root(make_layout):
    return make_layout(PEOPLE, eval_photos=3)


def person(root, number: int):
    name, gender, age = PEOPLE[number]
    return root / f"train/images/{name}_{gender}_Asian_{age}"


def found(root) -> set[tuple[str, str]]:
    return set(folder_facts(root).itertuples(index=False, name=None))


def test_sound_folders_have_no_problem(root) -> None:
    assert folder_facts(root).empty


def test_each_problem_names_its_file(root) -> None:
    first, second, third = (person(root, number) for number in range(3))
    (first / "._mask1.jpg").write_bytes(b"")
    (first / "Thumbs.db").write_bytes(b"")
    (root / "train/images/.DS_Store").write_bytes(b"")
    shutil.copy(first / "mask1.jpg", first / "mask6.jpg")
    shutil.copy(first / "mask1.jpg", first / "mask2.png")
    (second / "normal.jpg").unlink()
    shutil.copytree(third, third.with_name("000099_female_Asian_30"))
    (root / "eval/images/other.jpg").write_bytes(b"")
    (root / "eval/images/._a.jpg").write_bytes(b"")
    table = root / "train/train.csv"
    table.write_text(table.read_text().replace("000003,male", "000003,female"))
    paths = {name: person(root, k).relative_to(root).as_posix() for k, name in enumerate("abcd")}
    problems = found(root)
    assert problems == {
        (f"{paths['a']}/._mask1.jpg", "junk"),
        (f"{paths['a']}/Thumbs.db", "junk"),
        ("train/images/.DS_Store", "junk"),
        (f"{paths['a']}/mask6.jpg", "odd name"),
        (f"{paths['a']}/mask2.png", "twice"),
        (f"{paths['b']}/normal", "missing"),
        ("train/images/000099_female_Asian_30", "nobody's"),
        (paths["d"], "row and name differ"),
        ("eval/images/other.jpg", "not listed"),
        ("eval/images/._a.jpg", "junk"),
    }
    assert {problem for _, problem in problems} == set(PROBLEMS)


def test_ids_are_shared_across_suffixes() -> None:
    people = ["003397_male_Asian_20", "003397_female_Asian_30", "001498-1_male_Asian_18"]
    people += ["001498-2_male_Asian_19", "000001_male_Asian_20", "000001_male_Asian_20"]
    table = shared_ids(pd.Series(people))
    assert table["person"].tolist() == [people[2], people[3], people[1], people[0]]
    assert table["id"].tolist() == ["001498-1", "001498-2", "003397", "003397"]
