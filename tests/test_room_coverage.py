"""The table of ``make coverage`` counts lines and branches of each room."""

from tests.room_coverage import by_room


def summary(lines: int, covered: int, branches: int, gone: int) -> dict:
    names = ("num_statements", "covered_lines", "num_branches", "covered_branches")
    return {"summary": dict(zip(names, (lines, covered, branches, gone), strict=True))}


def test_files_of_a_room_are_counted_together_and_the_sum_stands_last() -> None:
    files = {
        "mmmask/ledger/cards.py": summary(10, 9, 4, 3),
        "mmmask/ledger/curves.py": summary(10, 10, 2, 2),
        "mmmask/files.py": summary(6, 3, 2, 1),
        "mmmask/__init__.py": summary(0, 0, 0, 0),
        "tools/train.py": summary(5, 5, 0, 0),
    }
    table = by_room({"files": files}).set_index("room")
    assert table.loc["mmmask/ledger", "percent"] == round(100 * 24 / 26, 1)
    assert table.loc["mmmask/files.py", "branches_missed"] == 1
    assert table.loc["tools", "percent"] == 100
    assert table.index[-1] == "all"
    assert table.loc["all", ["lines", "lines_missed"]].tolist() == [31, 4]
