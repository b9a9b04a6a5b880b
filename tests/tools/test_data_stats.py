import re

from mmmask.tables import OUTLIERS, read_table

from .conftest import CONFIG, tool, train


def test_its_list_can_be_left_out_of_a_run(drawn, tmp_path) -> None:
    out = tmp_path / "outliers.csv"
    done = tool(
        "data_stats.py", drawn, "--config", CONFIG, "--out", out, "--dark", 90, "--small", 9
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"mean=\(\d+\.\d{3}, \d+\.\d{3}, \d+\.\d{3}\),\n +std=\(", done.stdout)
    listed = read_table(out, OUTLIERS)
    assert f"{(listed['reason'] == 'dark').sum()} dark" in done.stdout
    assert 0 < listed["image"].nunique() < 100
    options = (f"data.drop={out}", "train_cfg.max_epochs=1")
    done = tool(*train(tmp_path / "run", drawn, options=options))
    assert done.returncode == 0, done.stderr


def test_a_missing_folder_is_refused(refused, tmp_path) -> None:
    assert "train.csv: no such file" in refused("data_stats.py", tmp_path)
