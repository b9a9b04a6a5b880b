"""Who is on the photos of a table, from the command line."""

import shutil

import pandas as pd

from .conftest import tool


def test_people_are_filled_in_and_the_page_is_written(drawn, tmp_path, refused) -> None:
    photo = next((drawn / "train/images").iterdir()) / "normal.jpg"
    for name in ("a.jpg", "b.jpg"):
        shutil.copy(photo, tmp_path / name)
    table, out, page = (tmp_path / name for name in ("t.csv", "people.csv", "doubts.html"))
    table.write_text("image,mask\na.jpg,normal\nb.jpg,normal\n")
    options = [table, "--out", out, "--page", page]
    line = refused("group_people.py", *options, "--alike", 64)
    assert line == "error: --alike must be whole bits from 0 to 32, without --features; got 64"
    assert not out.exists()
    assert not page.exists()
    done = tool("group_people.py", *options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "photos: 2",
        "people: 1, 0 of them with one photo",
        "largest: a.jpg (2)",
        "doubts: none",
        f"table: {out}",
        f"page: {page}",
    ]
    assert pd.read_csv(out)["person"].tolist() == ["a.jpg", "a.jpg"]
