import shutil

from mmmask.tables import read_predictions
from mmmask.workflows.pages.run_report import run_report

from .conftest import tool


def test_a_data_root_becomes_a_page(drawn, tmp_path) -> None:
    out = tmp_path / "data.html"
    done = tool("report.py", drawn, "--out", out, "--faces", 2)
    assert done.returncode == 0, done.stderr
    assert str(out) in done.stdout
    assert "168 photos of 24 people" in out.read_text()


def test_a_run_becomes_a_page_with_hires_cam_after_its_hold_out_was_predicted(
    run, tmp_path
) -> None:
    copy, out = tmp_path / "run", tmp_path / "run.html"
    shutil.copytree(run.work_dir, copy)
    done = tool("report.py", copy, "--out", out, "--cam", 3)
    assert done.returncode == 0, done.stderr
    assert str(out) in done.stdout
    html = out.read_text()
    table = read_predictions(copy / "predictions_val.parquet")
    assert f"{len(table)} photos of {table['person'].nunique()} people" in html
    assert "HiResCAM, of the 3 surest" in html
    assert "photos per second" in html
    facts = run_report(copy, out, cam=0)  # finds the predictions
    assert facts.curves[""].best_epoch in (1, 2)
    assert facts.missing == ()


def test_what_is_neither_data_nor_a_run_is_refused(refused, tmp_path) -> None:
    assert "must be a data root" in refused("report.py", tmp_path, "--out", tmp_path / "x.html")
    assert list(tmp_path.iterdir()) == []
