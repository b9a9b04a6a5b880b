"""Show what an export has found: size, speed, agreement, and what 8 bits cost."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from mmmask.reports.console import WIDTH
from mmmask.workflows.export import Agreement, Exported, Quantized


def show_export(exported: Exported, quantized: Quantized | None) -> None:
    """Print a row for each file, what the differences are, and where the files are."""
    console = Console(width=WIDTH)
    table = Table()
    for title in ("model", "size", "photos/s", "speed"):
        table.add_column(title, justify="left" if title == "model" else "right")
    table.add_column("largest difference", justify="right")
    table.add_column("same answers", justify="right")
    table.add_row("checkpoint, torch", "", f"{exported.torch_speed:.0f}", "1.0x", "", "")
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
            f"{agreement.same:.1%} of {agreement.photos:,}",
        )
    console.print(table)
    console.print(
        "Speed: prepared photos in batches of 32, on this CPU, best of some rounds. Differences "
        "are of probabilities: ONNX from the checkpoint by way of tools/test.py"
        + (", int8 from ONNX on the people held out." if quantized is not None else "."),
        highlight=False,
    )
    if quantized is not None:
        shown = "" if quantized.change.excludes(0) else ": no difference is shown"
        console.print(
            f"macro F1 on {quantized.people} people held out: ONNX {quantized.exported_score}, "
            f"int8 {quantized.score}; int8 minus ONNX {quantized.change}{shown}",
            highlight=False,
        )
    for name, path, _, _ in rows:
        print(f"{name:>10}: {path.resolve()}")
