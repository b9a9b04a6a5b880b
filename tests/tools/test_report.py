from .conftest import tool


def test_a_data_root_becomes_a_page(drawn, tmp_path) -> None:
    out = tmp_path / "data.html"
    done = tool("report.py", drawn, "--out", out, "--faces", 2)
    assert done.returncode == 0, done.stderr
    assert str(out) in done.stdout
    assert "168 photos of 24 people" in out.read_text()


def test_what_is_neither_data_nor_a_run_is_refused(refused, tmp_path) -> None:
    assert "must be a data root" in refused("report.py", tmp_path, "--out", tmp_path / "x.html")
    assert list(tmp_path.iterdir()) == []
