import cv2

from .conftest import CONFIG, tool


def test_it_writes_a_picture_and_says_where(drawn, tmp_path) -> None:
    out = tmp_path / "sheet.png"
    done = tool("show_pipeline.py", CONFIG, "--data-root", drawn, "--out", out, "--photos", 2)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == str(out)
    assert cv2.imread(str(out)).shape[1] > 600


def test_a_name_that_is_no_picture_is_refused(refused) -> None:
    assert "--out must end in .png or .jpg" in refused("show_pipeline.py", CONFIG, "--out", "a.gif")
