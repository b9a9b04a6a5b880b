"""Which lines and branches the tests went through, by room: the last step of ``make coverage``.

Reads ``work_dirs/coverage/coverage.json`` and writes ``rooms.csv`` beside it.
"""

import json
from pathlib import Path

import pandas as pd

FOLDER = Path(__file__).parents[1] / "work_dirs" / "coverage"


def room_of(path: str) -> str:
    """Return the room of a file: a folder of ``mmmask``, a file of its own there, or ``tools``."""
    first, *rest = Path(path).parts
    return first if first != "mmmask" else f"mmmask/{rest[0]}"


def by_room(report: dict) -> pd.DataFrame:
    """Return one row per room, the least covered first, and the sum of all as the last.

    ``percent`` is the share of lines and branches together that were gone through, as in
    coverage's own reports.
    """
    counted = {
        "lines": ("num_statements", "covered_lines"),
        "branches": ("num_branches", "covered_branches"),
    }
    rows = [
        {"room": room_of(path)}
        | {name: file["summary"][of] for name, (of, _) in counted.items()}
        | {f"{name}_missed": file["summary"][of] - file["summary"][done]
           for name, (of, done) in counted.items()}
        for path, file in report["files"].items()
    ]  # fmt: skip
    rooms = pd.DataFrame(rows).groupby("room", as_index=False).sum()
    rooms = pd.concat([rooms, rooms.drop(columns="room").sum().to_frame().T.assign(room="all")])
    there = rooms["lines"] + rooms["branches"]
    missed = rooms["lines_missed"] + rooms["branches_missed"]
    rooms["percent"] = (100 * (there - missed) / there.where(there > 0, 1)).astype(float).round(1)
    rooms["is_sum"] = rooms["room"] == "all"
    return rooms.sort_values(["is_sum", "percent"], ignore_index=True).drop(columns="is_sum")


if __name__ == "__main__":
    found = by_room(json.loads((FOLDER / "coverage.json").read_text()))
    found.to_csv(FOLDER / "rooms.csv", index=False)
    print(found.to_string(index=False))
    print(f"written: {FOLDER}/rooms.csv, {FOLDER}/html/index.html")
