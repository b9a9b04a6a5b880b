from mmmask.datasets.layout import read_train, with_labels
from mmmask.tables import PREDICTIONS, write_table
from tests.fake_run import made_predictions

from .conftest import tool


def test_two_tables_and_their_photos_make_a_card_and_a_sheet(drawn, tmp_path) -> None:
    samples = with_labels(read_train(drawn))
    paths = [tmp_path / name / "oof.parquet" for name in ("face", "lite0")]
    for seed, path in enumerate(paths):
        write_table(path, made_predictions(samples, seed), PREDICTIONS, {"split": "oof"})
    card, sheet = tmp_path / "card.md", tmp_path / "sheet.jpg"
    done = tool(
        *("model_card.py", *paths, "--data-root", drawn, "--out", card),
        *("--wrong", 7, "--pictures", sheet),
    )
    assert done.returncode == 0, done.stderr
    assert "95 % interval over 24 people" in done.stdout
    assert done.stdout.splitlines()[-2:] == [str(card), str(sheet)]
    text = card.read_text()
    for words in ("# Model card: face/oof.parquet", "lite0/oof.parquet", "The surest 7 of"):
        assert words in text
    assert sheet.is_file()


def test_a_table_that_is_not_there_is_refused(refused, tmp_path) -> None:
    said = refused("model_card.py", tmp_path / "oof.parquet", "--out", tmp_path / "card.md")
    assert "oof.parquet: no such file" in said
    assert list(tmp_path.iterdir()) == []
