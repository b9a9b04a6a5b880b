"""What an imported table knows of its photos, in the terminal."""

from collections.abc import Mapping, Sequence

import pandas as pd
from rich.console import Console

from mmmask.reports.output import titled_table

_SHOWN = 20


def print_known(samples: pd.DataFrame) -> None:
    """Print for each source of a samples table how many photos and people it has and knows."""
    counts = ("photos", "people", "mask", "gender", "age", "range of ages", "class")
    table = titled_table("known of the photos", ("source",), counts)
    missing = pd.Series(pd.NA, samples.index)
    known = {name: samples.get(name, missing).notna() for name in (*counts[2:5], "label")}
    ranges = samples.get("age_from", missing).notna() | samples.get("age_to", missing).notna()
    people = samples.get("person", missing).fillna(samples["image"])
    for source, part in samples.groupby("source", sort=False):
        photos = part.index
        numbers = [len(part), people[photos].nunique()]
        numbers += [known[name][photos].sum() for name in counts[2:5]]
        numbers += [ranges[photos].sum(), known["label"][photos].sum()]
        table.add_row(str(source), *(f"{number:,}" for number in numbers))
    Console(width=120).print(table)


def print_left_out(problems: Sequence[str], left_out: Mapping[str, int]) -> None:
    """Print what did not become a row: by its meaning, and what was not understood."""
    for what, count in left_out.items():
        print(f"left out: {what}: {count:,}")
    if problems:
        print(f"left out, as not understood: {len(problems):,}")
    for problem in problems[:_SHOWN]:
        print(f"  {problem}")
    if len(problems) > _SHOWN:
        print(f"  and {len(problems) - _SHOWN:,} more")
