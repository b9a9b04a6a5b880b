import csv
import hashlib
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mmmask.drawing import drawn_faces
from mmmask.drawing.drawn_faces import draw_dataset
from mmmask.errors import InputError
from mmmask.labels import GENDERS, MASKS, age_group, encode

ROOT = Path(__file__).parents[2]
STEMS = {f"mask{number}": "wear" for number in range(1, 6)}
STEMS |= {"incorrect_mask": "incorrect", "normal": "normal"}
PEOPLE, EVAL_PEOPLE, SEED = 48, 18, 5


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("drawn") / "data"
    draw_dataset(out, people=PEOPLE, eval_people=EVAL_PEOPLE, seed=SEED, size=(48, 64))
    return out


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def groups_of(root: Path) -> Counter:
    return Counter(
        (row["gender"], int(age_group(int(row["age"]))))
        for row in rows_of(root / "train/train.csv")
    )


def test_only_the_competitions_files_and_the_true_labels_are_there(drawn: Path) -> None:
    assert sorted(path.name for path in drawn.iterdir()) == ["eval", "eval_labels.csv", "train"]
    assert sorted(path.name for path in (drawn / "train").iterdir()) == ["images", "train.csv"]
    assert sorted(path.name for path in (drawn / "eval").iterdir()) == ["images", "info.csv"]


def test_train_csv_names_every_person_and_their_folder(drawn: Path) -> None:
    rows = rows_of(drawn / "train/train.csv")
    assert list(rows[0]) == ["id", "gender", "race", "age", "path"]
    assert [row["id"] for row in rows] == [f"{number:06d}" for number in range(1, PEOPLE + 1)]
    for row in rows:
        assert row["race"] == "Asian"
        assert row["path"] == f"{row['id']}_{row['gender']}_Asian_{row['age']}"
    folders = {path.name for path in (drawn / "train/images").iterdir()}
    assert folders == {row["path"] for row in rows}


def test_every_person_has_seven_photos_of_the_right_size(drawn: Path) -> None:
    for folder in (drawn / "train/images").iterdir():
        assert {path.stem for path in folder.iterdir()} == set(STEMS)
        assert len(list(folder.iterdir())) == len(STEMS)
        for path in folder.iterdir():
            assert cv2.imread(str(path)).shape == (64, 48, 3)


def test_extensions_are_mixed_as_in_the_competition(drawn: Path) -> None:
    suffixes = Counter(path.suffix for path in (drawn / "train/images").glob("*/*"))
    assert set(suffixes) == {".jpg", ".jpeg", ".png"}
    assert 0.8 < suffixes[".jpg"] / suffixes.total() < 0.97


def test_a_photo_is_encoded_as_its_extension_says(drawn: Path) -> None:
    for path in (drawn / "train/images").glob("*/*"):
        png = path.read_bytes().startswith(b"\x89PNG")
        assert png == (path.suffix == ".png")


def test_eval_photos_have_hashed_names_and_placeholder_answers(drawn: Path) -> None:
    rows = rows_of(drawn / "eval/info.csv")
    names = [row["ImageID"] for row in rows]
    assert all(re.fullmatch(r"[0-9a-f]{40}\.jpg", name) for name in names)
    assert {row["ans"] for row in rows} == {"0"}
    assert sorted(names) == sorted(path.name for path in (drawn / "eval/images").iterdir())
    assert len(set(names)) == 7 * EVAL_PEOPLE


def test_eval_labels_are_the_true_classes_in_the_order_of_info_csv(drawn: Path) -> None:
    truth = {
        hashlib.sha1(f"{SEED}/{number:06d}_{gender}_Asian_{age}/{stem}".encode()).hexdigest(): int(
            encode(MASKS.index(mask), GENDERS.index(gender), age_group(age))
        )
        for number in range(1, EVAL_PEOPLE + 1)
        for gender in GENDERS
        for age in range(18, 61)
        for stem, mask in STEMS.items()
    }
    labels = rows_of(drawn / "eval_labels.csv")
    order = [row["ImageID"] for row in rows_of(drawn / "eval/info.csv")]
    assert [row["ImageID"] for row in labels] == order
    assert [int(row["ans"]) for row in labels] == [
        truth[name.removesuffix(".jpg")] for name in order
    ]


def test_eval_labels_tell_who_is_in_each_photo(drawn: Path) -> None:
    classes: dict[str, set[int]] = {}
    photos = Counter()
    for row in rows_of(drawn / "eval_labels.csv"):
        photos[row["person"]] += 1
        classes.setdefault(row["person"], set()).add(int(row["ans"]) % 6)
    assert photos == {f"eval_{number:06d}": 7 for number in range(1, EVAL_PEOPLE + 1)}
    assert {len(found) for found in classes.values()} == {1}  # one gender, one age group


def test_eval_classes_stand_five_to_one_to_one(drawn: Path) -> None:
    counts = Counter(int(row["ans"]) for row in rows_of(drawn / "eval_labels.csv"))
    wear, other = 5 * EVAL_PEOPLE // 6, EVAL_PEOPLE // 6
    assert counts == {label: wear if label < 6 else other for label in range(18)}


def test_genders_and_age_groups_are_balanced(drawn: Path) -> None:
    counts = groups_of(drawn)
    assert len(counts) == 6
    assert set(counts.values()) == {PEOPLE // 6}


def test_people_that_do_not_divide_by_six_are_spread_evenly(tmp_path: Path) -> None:
    draw_dataset(tmp_path / "data", people=10, size=(32, 32))
    counts = groups_of(tmp_path / "data")
    assert len(counts) == 6
    assert set(counts.values()) == {1, 2}


def test_ages_run_from_18_to_60_and_spread_within_the_groups(drawn: Path) -> None:
    ages = [int(row["age"]) for row in rows_of(drawn / "train/train.csv")]
    young, middle = ([age for age in ages if age_group(age) == group] for group in (0, 1))
    assert min(young) >= 18
    assert np.ptp(young) >= 8
    assert np.ptp(middle) >= 20
    assert max(ages) == 60


def test_one_seed_gives_the_same_bytes_for_any_number_of_processes(tmp_path: Path) -> None:
    for name, processes in (("one", 1), ("two", 2)):
        draw_dataset(
            tmp_path / name, people=6, eval_people=3, seed=3, size=(32, 40), processes=processes
        )
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_another_seed_gives_other_people(tmp_path: Path) -> None:
    for seed in (0, 1):
        draw_dataset(tmp_path / str(seed), people=6, eval_people=1, seed=seed, size=(32, 32))
    first, second = contents(tmp_path / "0"), contents(tmp_path / "1")
    assert not set(first.values()) & set(second.values())


def test_more_people_leave_the_earlier_ones_as_they_are(tmp_path: Path) -> None:
    draw_dataset(tmp_path / "few", people=6, size=(32, 32))
    draw_dataset(tmp_path / "more", people=8, eval_people=2, size=(32, 32))
    few, more = contents(tmp_path / "few"), contents(tmp_path / "more")
    del few["train/train.csv"]
    assert few.items() <= more.items()


def test_without_eval_people_there_is_no_eval_folder(tmp_path: Path) -> None:
    draw_dataset(tmp_path / "data", people=6, size=(32, 32))
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["train"]


@pytest.mark.parametrize("grid", [1, 3])
def test_mean_colours_do_not_give_the_class_away(drawn: Path, grid: int) -> None:
    def mean_colours(path: Path) -> np.ndarray:
        picture = cv2.imread(str(path)).astype(float)
        return cv2.resize(picture, (grid, grid), interpolation=cv2.INTER_AREA).ravel()

    photos, labels = [], []
    for row in rows_of(drawn / "train/train.csv"):
        for path in sorted((drawn / "train/images" / row["path"]).iterdir()):
            photos.append(mean_colours(path))
            mask, gender = MASKS.index(STEMS[path.stem]), GENDERS.index(row["gender"])
            labels.append(int(encode(mask, gender, age_group(int(row["age"])))))
    unseen = rows_of(drawn / "eval_labels.csv")  # other people
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(photos, labels)
    predicted = model.predict([mean_colours(drawn / "eval/images" / r["ImageID"]) for r in unseen])
    truth = [int(row["ans"]) for row in unseen]
    assert f1_score(truth, predicted, average="macro", labels=range(18), zero_division=0) < 0.25


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"people": 5}, "people must be at least 6, .* got 5"),
        ({"eval_people": -1}, "eval_people must be 0 or more; got -1"),
        ({"seed": -2}, "seed must be 0 or more; got -2"),
        ({"size": (31, 64)}, "size must be at least 32 x 32 pixels; got 31 x 64"),
        ({"processes": 0}, "processes must be 1 or more; got 0"),
    ],
)
def test_a_value_out_of_range_is_refused_in_one_sentence(tmp_path: Path, change, words) -> None:
    with pytest.raises(InputError, match=words) as refusal:
        draw_dataset(tmp_path / "data", **{"people": 6, **change})
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "data").exists()


def test_a_folder_that_holds_something_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="must be a new or an empty folder"):
        draw_dataset(tmp_path, people=6)
    assert contents(tmp_path) == {"mine.txt": b"keep"}


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("keep")
    with pytest.raises(InputError, match="must be a new or an empty folder"):
        draw_dataset(tmp_path / "data", people=6)


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    draw_dataset(tmp_path / "empty", people=6, size=(32, 32))
    assert groups_of(tmp_path / "empty").total() == 6


def test_a_failure_half_way_leaves_nothing_behind(tmp_path: Path, monkeypatch) -> None:
    draw = drawn_faces.draw_portrait
    calls = []

    def fail_on_the_tenth(*args):
        calls.append(args)
        if len(calls) == 10:
            raise OSError("disk full")
        return draw(*args)

    monkeypatch.setattr(drawn_faces, "draw_portrait", fail_on_the_tenth)
    with pytest.raises(OSError, match="disk full"):
        draw_dataset(tmp_path / "data", people=6, size=(32, 32))
    assert list(tmp_path.iterdir()) == []


def make_faces(*options: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "tools/make_faces.py", *map(str, options)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_line_draws_what_the_function_draws(tmp_path: Path) -> None:
    options = ("--people", "6", "--eval-people", "1", "--seed", "4", "--size", "32", "36")
    assert make_faces("--out", tmp_path / "tool", *options).returncode == 0
    draw_dataset(tmp_path / "function", people=6, eval_people=1, seed=4, size=(32, 36))
    assert contents(tmp_path / "tool") == contents(tmp_path / "function")


def test_the_command_line_refuses_in_one_line_with_status_2(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    refusal = make_faces("--out", tmp_path, "--people", "6")
    assert refusal.returncode == 2
    assert refusal.stderr.count("\n") == 1
    assert str(tmp_path) in refusal.stderr


def test_help_shows_an_example() -> None:
    assert "python tools/make_faces.py --out" in make_faces("--help").stdout


def test_drawing_needs_no_deep_learning_library() -> None:
    code = (
        "import sys, mmmask.drawing.drawn_faces;"
        "print(*{'torch', 'mmcv', 'mmengine', 'mmpretrain'} & set(sys.modules))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert loaded.stdout.split() == []
