"""Foreign photos become a table, or a sentence says why not."""

from mmmask.tables import SAMPLES, read_table

from .conftest import tool


def test_a_folder_for_each_class_becomes_a_table(drawn, tmp_path, refused) -> None:
    src, out = tmp_path / "photos", tmp_path / "photos.parquet"
    for name, person in zip(("masked", "9"), (drawn / "train/images").iterdir(), strict=False):
        (src / name).parent.mkdir(exist_ok=True)
        (src / name).symlink_to(person)
    (src / "readme.txt").write_text("of two people")
    line = refused("import_data.py", "folders", src, "--out", out)
    assert "photos/masked: --map 'masked=...' must say what its name means" in line
    assert not out.exists()

    done = tool("import_data.py", "folders", src, "--out", out, "--map", "masked=wear,age:60-")
    assert done.returncode == 0, done.stderr
    assert "left out: files ending in .txt: 1" in done.stdout
    (row,) = (line.split() for line in done.stdout.splitlines() if "photos │" in line)
    assert [cell for cell in row if cell != "│"] == ["photos", "14", "14", "7", "0", "0", "7", "7"]
    assert len(read_table(out, SAMPLES)) == 14


def test_rows_that_are_left_out_are_listed(drawn, tmp_path) -> None:
    photo = next((drawn / "eval/images").iterdir())
    listed, out = tmp_path / "list.csv", tmp_path / "table.csv"
    listed.write_text(f"path,AGE\n{photo.name},33\ngone.jpg,20\n{photo.name},old\n")
    options = ["--images", photo.parent, "--columns", "image=path,age=AGE", "--skip"]
    done = tool("import_data.py", "csv", listed, "--out", out, *options, "--set", "mask=normal")
    assert done.returncode == 0, done.stderr
    assert "left out, as not understood: 2\n" in done.stdout
    assert f"  {listed}, line 3: {photo.parent}/gone.jpg is not there\n" in done.stdout
    assert f"{listed}, line 4: age must be whole years, or a range such as 30-59" in done.stdout
    assert out.read_text() == f"image,mask,age,source\n{photo},normal,33,list\n"
