import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmmask.drawing.drawn_faces import draw_dataset
from mmmask.errors import InputError
from mmmask.evaluation.ages import MAE, Ages
from mmmask.labels import CLASSES
from mmmask.ledger.chosen_epoch import CHOSEN
from mmmask.reports.model_card import markdown
from mmmask.reports.pages.parts import Table
from mmmask.tables import PREDICTIONS, answers, attribute_of, probabilities, write_table
from mmmask.workflows.pages.model_card import model_card
from mmmask.workflows.score import intervals_of
from tests.fake_run import made_predictions, made_samples
from tests.made_ages import certain

PEOPLE = 40


def written(path: Path, seed: int = 0, split: str = "oof", **columns: object) -> pd.DataFrame:
    """Write predictions of people whose ages are known."""
    samples = made_samples(PEOPLE)
    table = made_predictions(samples, seed).assign(age=samples["age"], **columns)
    write_table(path, table, PREDICTIONS, {"split": split})
    return table


@pytest.fixture
def tables(tmp_path) -> list[Path]:
    paths = [tmp_path / name / "oof.parquet" for name in ("face", "other")]
    for seed, path in enumerate(paths):
        written(path, seed)
    return paths


def rows_below(text: str, caption: str) -> list[list[str]]:
    """Return the cells of the table below a caption, without its head."""
    (part,) = re.findall(rf"{re.escape(caption)}[^\n]*:\n\n((?:\|.*\n)+)", text)
    return [[cell.strip() for cell in line[2:-2].split(" | ")] for line in part.splitlines()[2:]]


def test_the_card_has_scores_slices_pairs_and_the_surest_wrong_people(tmp_path) -> None:
    table = written(tmp_path / "oof.parquet")
    card = model_card(tmp_path / "oof.parquet", tmp_path / "card.md", wrong=3)
    text = (tmp_path / "card.md").read_text()
    scores = dict(rows_below(text, "With 95 % interval over 40 people"))
    assert scores["macro F1"] == str(intervals_of(table)["macro_f1"])
    for by in ("age group", "gender", "mask", "photo", "age"):
        photos = [int(row[2]) for row in rows_below(text, f"By {by}; in brackets")]
        assert sum(photos) == 280, by
    truth, told = table["label"].to_numpy(), answers(table)
    true, answer, photos, people, _ = rows_below(text, "The 15 commonest of")[0]
    same = (truth == CLASSES.index(true)) & (told == CLASSES.index(answer))
    assert (int(photos), int(people)) == (same.sum(), table["person"][same].nunique())
    sure = probabilities(table).max(axis=1)
    wrong = table.assign(sure=np.where(truth != told, sure, 0)).sort_values("sure").iloc[::-1]
    surest = wrong.drop_duplicates("person").iloc[:3]
    assert table["image"].iloc[card.wrong].tolist() == surest["image"].tolist()
    shown = rows_below(text, "The surest 3 of")
    assert [row[1] for row in shown] == [name[13:] for name in surest["image"]]
    assert [row[6] for row in shown] == [f"{age}" for age in surest["age"]]
    assert "brightness" not in text
    assert "What remains possible" not in text


def test_a_model_of_years_has_the_error_of_ages_in_each_slice(tmp_path) -> None:
    samples = made_samples(PEOPLE)
    guessed = np.clip(samples["age"] + 4, 0, 100)
    table = made_predictions(samples).assign(age=samples["age"], **certain(guessed))
    write_table(tmp_path / "oof.parquet", table, PREDICTIONS, {"split": "oof"})
    model_card(tmp_path / "oof.parquet", tmp_path / "card.md", wrong=2)
    text = (tmp_path / "card.md").read_text()
    assert dict(rows_below(text, "With 95 %"))["age: MAE, years"] == "4.0 [4.0, 4.0]"
    assert Ages.of(table).scores[MAE].item() == 4
    assert {row[-1] for row in rows_below(text, "By photo;")} == {"4.0 [4.0, 4.0]"}
    surest = rows_below(text, "The surest 2 of")
    assert [int(row[7]) - int(row[6]) for row in surest] == [4, 4]


def test_a_second_model_tells_what_both_get_wrong(tables, tmp_path) -> None:
    card = model_card(tables[0], tmp_path / "card.md", other=tables[1], wrong=2)
    text = (tmp_path / "card.md").read_text()
    assert "a second model, other/oof.parquet: macro F1" in text
    by_photo = rows_below(text, "Photos that both get wrong")
    assert [row[0] for row in by_photo] == ["class"] * 2 + ["mask"] * 2 + ["gender"] + ["age"] * 2
    told = [answers(one) != one["label"] for one in (card.scored.table, card.other.table)]
    assert int(by_photo[0][2]) == (told[0] & told[1]).sum()
    assert len(rows_below(text, "People, each told by")) == 4
    assert "People whose age group no photo seems to tell" in text
    second = answers(card.other.table)[card.wrong]
    assert [row[-1] for row in rows_below(text, "The surest 2 of")] == [CLASSES[k] for k in second]


def test_causes_are_those_of_the_people_and_are_counted(tables, tmp_path) -> None:
    card = model_card(tables[0], tmp_path / "card.md", wrong=4)
    people = card.scored.table.iloc[card.wrong]["person"]
    of_others = sorted({*card.scored.table["person"]} - {*people})
    lines = [f"train/images/{who}/normal.jpg" for who in (*people.iloc[:3], of_others[0])]
    causes = ["mask hides", "wrong label", "mask hides", "wrong label"]
    pd.DataFrame({"image": lines, "cause": causes}).to_csv(tmp_path / "c.csv", index=False)
    model_card(tables[0], tmp_path / "card.md", wrong=4, causes=tmp_path / "c.csv")
    text = (tmp_path / "card.md").read_text()
    found = {row[0]: row[1:] for row in rows_below(text, "Their causes")}
    assert found == {
        "mask hides": ["2", "50.0 %"],
        "wrong label": ["1", "25.0 %"],
        "not sorted": ["1", "25.0 %"],
    }
    assert [row[-1] for row in rows_below(text, "The surest 4 of")][:2] == causes[:2]


def test_photos_give_slices_by_light_and_a_sheet(tmp_path) -> None:
    root = tmp_path / "data"
    draw_dataset(root, people=6, eval_people=1, seed=3, size=(48, 64), processes=1)
    from mmmask.datasets.layout import read_train, with_labels

    samples = with_labels(read_train(root))
    write_table(tmp_path / "oof.parquet", made_predictions(samples), PREDICTIONS)
    out, sheet = tmp_path / "card.md", tmp_path / "sheet.jpg"
    card = model_card(tmp_path / "oof.parquet", out, data_root=root, wrong=6, pictures=sheet)
    rows = rows_below(out.read_text(), "By brightness;")
    assert sum(int(row[2]) for row in rows) == 42
    assert sheet.read_bytes()[:2] == b"\xff\xd8"
    assert 5 <= len(card.wrong) <= 6
    (root / card.scored.table["image"].iloc[card.wrong[0]]).unlink()
    sheet.unlink()
    with pytest.raises(InputError, match="--pictures would show"):
        model_card(tmp_path / "oof.parquet", out, data_root=root, wrong=6, pictures=sheet)
    assert not sheet.exists()


def test_warnings_of_both_models_are_in_the_card(tmp_path, capsys) -> None:
    table = written(tmp_path / "a.parquet")
    stated = {"split": "oof", CHOSEN: {"by": "macro_f1", "epochs": [3], "flattery": 0.01}}
    paths = [tmp_path / f"{name}.parquet" for name in "ab"]
    write_table(paths[1], table, PREDICTIONS, stated)
    for first, second, words in ((1, 0, "Its epoch was"), (0, 1, "Of the second model: its epoch")):
        model_card(paths[first], tmp_path / "card.md", other=paths[second])
        assert words in (tmp_path / "card.md").read_text()
    assert "warning: its epoch was chosen" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"out": "card.txt"}, "--out must end in .md"),
        ({"wrong": -1}, "--wrong must be 0 or more; got -1"),
        ({"wrong": 0, "causes": "c.csv"}, "--causes needs the surest wrong answers"),
        ({"pictures": "x.gif"}, "--pictures must end in .png or .jpg; got x.gif"),
        ({"pictures": "x.jpg"}, "--pictures needs the photos"),
        ({"other": "face"}, "the second table must be of another model"),
        ({"data_root": "nowhere"}, "none of the 280 photos is there"),
        ({"causes": "unknown.csv"}, "unknown.csv: gone.jpg is not among the photos"),
        ({"causes": "both.csv"}, "has several causes; a person may have one"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    tables, tmp_path, monkeypatch, given, message
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("unknown.csv").write_text("image,cause\ngone.jpg,mask hides\n")
    person = Path(made_samples(PEOPLE)["image"].iloc[0]).parent
    rows = f"{person}/normal.jpg,strong light\n{person}/mask1.jpg,mask hides\n"
    Path("both.csv").write_text(f"image,cause\n{rows}")
    before = sorted(tmp_path.rglob("*"))
    if "other" in given:
        given = {"other": tables[0]}
    with pytest.raises(InputError, match=re.escape(message)):
        model_card(tables[0], **{"out": "card.md", **given})
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("split", ["train", "all"])
def test_people_whom_a_model_has_learned_make_no_card(tables, tmp_path, split) -> None:
    written(tmp_path / "train.parquet", split=split)
    for first, second in (
        (tmp_path / "train.parquet", None),
        (tables[0], tmp_path / "train.parquet"),
    ):
        with pytest.raises(InputError, match=f"split must be oof or val.*; got {split}"):
            model_card(first, tmp_path / "card.md", other=second)


def test_photos_of_nobody_known_make_no_card(tmp_path) -> None:
    write_table(
        tmp_path / "a.csv", written(tmp_path / "b.parquet").drop(columns="person"), PREDICTIONS
    )
    with pytest.raises(InputError, match="column person must name"):
        model_card(tmp_path / "a.csv", tmp_path / "card.md")


def test_a_model_of_one_attribute_has_a_card(tmp_path) -> None:
    from mmmask.tables import prediction_columns, predictions_table

    samples = made_samples(PEOPLE)[["image", "person", "label"]]
    values = np.random.default_rng(0).dirichlet(np.ones(3), len(samples))
    table = predictions_table(samples, values, attribute="mask")
    assert attribute_of(table) == "mask"
    for name in ("a", "b"):
        path = tmp_path / f"{name}.parquet"
        write_table(path, table, prediction_columns("mask")[0], {"split": "oof"})
    model_card(tmp_path / "a.parquet", tmp_path / "card.md", other=tmp_path / "b.parquet")
    text = (tmp_path / "card.md").read_text()
    assert {row[0] for row in rows_below(text, "Photos that both get wrong")} == {"mask"}
    assert "People, each told" not in text


def test_a_cell_cannot_break_its_row() -> None:
    table = Table("Two cells", {"a": "text", "b": "share"}, [["x|y\nz", 0.5]])
    assert markdown(table) == "Two cells:\n\n| a | b |\n| --- | ---: |\n| x\\|y z | 50.0 % |"
