"""A review of drawn people, and a server for it."""

from pathlib import Path

import pandas as pd

from mmmask.datasets.corrections import SWAP
from mmmask.datasets.layout import read_train
from mmmask.labels import MASKS
from mmmask.tables import LABEL_ISSUES, write_table


def list_label_issues(root: Path, path: Path) -> pd.DataFrame:
    """Write label issues of all people of a folder: gender, photos or in one case a swap, age."""
    people = read_train(root).groupby("person")
    rows = []
    for number, (person, photos) in enumerate(people):
        gender, age = photos["gender"].iloc[0], photos["age"].iloc[0]
        other = "female" if gender == "male" else "male"
        rows.append(("gender", person, "*", other, f"labelled {gender}"))
        rows.append(("age", person, "*", str((age + 40) % 80), f"labelled {age}"))
        if number == 1:
            rows.append(("mask", person, "*", SWAP, ""))
            continue
        for image, mask in zip(photos["image"], photos["mask"], strict=True):
            value = MASKS[(MASKS.index(mask) + 1) % 3]
            rows.append(("mask", person, Path(image).stem, value, f"looks {value}"))
    table = pd.DataFrame(rows, columns=["kind", "person", "photo", "value", "reason"])
    table["field"], table["probability"] = table["kind"], 0.9
    order = pd.Categorical(table["kind"], categories=("gender", "mask", "age")).codes
    table = table.assign(order=order).sort_values("order", kind="stable").drop(columns="order")
    write_table(path, table, LABEL_ISSUES)
    return table.reset_index(drop=True)
