"""What was chosen as pseudo-labels, class by class, in the terminal."""

import pandas as pd
from rich.console import Console
from rich.table import Table

from mmmask.labels import CLASSES


def print_pseudo_labels(classes: pd.DataFrame) -> None:
    """Print a row for each class and their sums; see ``workflows.more_samples.pseudo_label``."""
    known = "right" in classes
    table = Table(title="Pseudo-labels by class, photos", title_justify="left")
    table.add_column("class")
    titles = ["predicted", "models agree", "and sure", "chosen", "share", "mean probability"]
    for title in titles + ["right"] * known:
        table.add_column(title, justify="right")
    total = classes["chosen"].sum()
    steps = ["seen", "agreed", "sure", "chosen"]
    for label, row in classes.iterrows():
        cells = [f"{int(row[name]):,}" for name in steps]
        cells += [f"{row['chosen'] / total:.1%}"]
        cells += [f"{row['probability']:.2f}" if row["chosen"] else ""]
        if known:
            cells += [f"{row['right'] / row['chosen']:.0%}" if row["chosen"] else ""]
        table.add_row(CLASSES[label], *cells)
    table.add_section()
    sums = [f"{int(classes[name].sum()):,}" for name in steps]
    mean = (classes["probability"] * classes["chosen"]).sum() / total
    last = [f"{classes['right'].sum() / total:.0%}"] if known else []
    table.add_row("all", *sums, "100.0%", f"{mean:.2f}", *last)
    Console(width=110).print(table)
