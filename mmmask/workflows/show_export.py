"""Show what an export has found: size, speed, agreement, and what 8 bits cost."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from mmmask.reports.score_tables import WIDTH
from mmmask.workflows.export import Agreement, Exported, Quantized, Scores


def show_export(exported: Exported, quantized: Quantized | None) -> None:
    """Print a row for each file, what the differences are, and where the files are."""
    console = Console(width=WIDTH)
    table = Table()
    for title in ("model", "size", "photos/s", "speed"):
        table.add_column(title, justify="left" if title == "model" else "right")
    for title in ("largest difference", "mean", "same answers"):
        table.add_column(title, justify="right")
    table.add_row("checkpoint, torch", "", f"{exported.torch_speed:.0f}", "1.0x", "", "", "")
    rows: list[tuple[str, Path, float, Agreement]] = [
        ("ONNX", exported.path, exported.speed, exported.agreement)
    ]
    if quantized is not None:
        rows.append(("ONNX, int8", quantized.path, quantized.speed, quantized.agreement))
    for name, path, speed, agreement in rows:
        table.add_row(
            name,
            f"{path.stat().st_size / 1e6:.1f} MB",
            f"{speed:.0f}",
            f"{speed / exported.torch_speed:.1f}x",
            f"{agreement.difference:.1g}",
            f"{agreement.mean:.1g}",
            f"{agreement.same:.1%} of {agreement.photos:,}",
        )
    console.print(table)
    console.print(
        "Speed: prepared photos in batches of 32, on this CPU, best of some rounds. Differences "
        "are of probabilities: ONNX from the checkpoint by way of tools/test.py"
        + (", int8 from ONNX on the people held out." if quantized is not None else "."),
        highlight=False,
    )
    if exported.scores is not None:
        console.print(_in_words(exported.scores, "ONNX", "checkpoint"), highlight=False)
    if quantized is not None:
        console.print(_in_words(quantized.scores, "int8", "ONNX"), highlight=False)
    for name, path, _, _ in rows:
        print(f"{name:>10}: {path.resolve()}")


def _in_words(scores: Scores, name: str, former: str) -> str:
    """Return what a model has lost or gained."""
    shown = "" if scores.change.shown else ": no difference is shown"
    return (
        f"macro F1 on {scores.people} people held out: {former} {scores.former}, {name} "
        f"{scores.score}; {name} minus {former} {scores.change}{shown}"
    )
