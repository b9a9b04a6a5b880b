"""How tables come to the terminal and plots to a file, alike in all reports."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from mmmask.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def titled_table(title: str | None, left: Sequence[str], right: Sequence[str] = ()) -> Table:
    """Return a table for the terminal: columns of text, then columns of numbers."""
    table = Table(title=title, title_justify="left")
    for name in left:
        table.add_column(name, overflow="fold")
    for name in right:
        table.add_column(name, justify="right")
    return table


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, given in the plural: "1 photo", "2,000 people"."""
    one = {"people": "person"}.get(noun, noun.removesuffix("s"))
    return f"{count:,} {one if count == 1 else noun}"


def save_figure(figure: "Figure", path: str | Path) -> None:
    """Write a plot as PNG, whole or not at all.

    A ``Figure`` of its own needs neither pyplot nor a backend, so a user's own stay as they are.
    """
    drawn = BytesIO()  # a full disk that Pillow meets would not be told as one
    figure.savefig(drawn, dpi=110, format=Path(path).suffix[1:])
    with atomic_write(path) as partial:
        partial.write_bytes(drawn.getbuffer())
