"""What was chosen as pseudo-labels, class by class, in the terminal."""

import pandas as pd
from rich.console import Console

from mmmask.labels import CLASSES
from mmmask.reports.output import titled_table


def print_pseudo_labels(classes: pd.DataFrame) -> None:
    """Print one row per class and their sums; see ``workflows.more_samples.pseudo_label``."""
    titles = ["predicted", "models agree", "and sure", "chosen", "share", "mean probability"]
    if "right" in classes:
        titles.append("right")
    table = titled_table("Pseudo-labels by class, photos", ("class",), titles)
    total = classes.sum()
    total["probability"] = (classes["probability"] * classes["chosen"]).sum() / total["chosen"]
    for name, row in [*zip(CLASSES, classes.to_dict("records"), strict=True), ("all", total)]:
        if name == "all":
            table.add_section()
        chosen = row["chosen"]
        cells = [f"{int(row[step]):,}" for step in ("seen", "agreed", "sure", "chosen")]
        cells.append(f"{100 * (chosen / total['chosen']):.1f} %")
        if chosen:
            cells.append(f"{row['probability']:.2f}")
            if "right" in classes:
                cells.append(f"{100 * (row['right'] / chosen):.0f} %")
        table.add_row(name, *cells)
    Console(width=110).print(table)
