"""Show what an export has found: size, speed, agreement, and what 8 bits cost."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mmmask.reports.difference_report import difference_sentence
from mmmask.reports.score_tables import WIDTH, print_warnings
from mmmask.workflows.export import Exported, Scores


def show_export(models: Sequence[Exported], torch_speed: float, checkpoint: str | Path) -> None:
    """Print one row per file, what the differences are, and where the files are."""
    console = Console(width=WIDTH)
    table = Table("model")
    for title in ("size", "photos/s", "speed", "largest difference", "mean", "same answers"):
        table.add_column(title, justify="right")
    table.add_row("checkpoint, torch", "", f"{torch_speed:.0f}", "1.0x", "", "", "")
    names = ("ONNX", "ONNX, int8")
    for name, model in zip(names, models, strict=False):
        agreement = model.agreement
        table.add_row(
            name,
            f"{model.path.stat().st_size / 1e6:.1f} MB",
            f"{model.speed:.0f}",
            f"{model.speed / torch_speed:.1f}x",
            f"{agreement.difference:.1g}",
            f"{agreement.mean:.1g}",
            f"{100 * agreement.same:.1f} % of {agreement.photos:,}",
        )
    console.print(table)
    console.print(
        "Speed: prepared photos in batches of 32, on this CPU, best of some rounds. Differences "
        "are of probabilities: ONNX from the checkpoint by way of tools/test.py"
        + (", int8 from ONNX on the people held out." if len(models) > 1 else "."),
        highlight=False,
    )
    pairs = (("ONNX", "checkpoint"), ("int8", "ONNX"))
    for (name, former), model in zip(pairs, models, strict=False):
        if model.scores is not None:
            console.print(_in_words(model.scores, name, former), highlight=False)
    if models[0].scores is not None:
        print_warnings({"split": "val", "checkpoint": str(checkpoint)})
    for name, model in zip(names, models, strict=False):
        print(f"{name:>10}: {model.path.resolve()}")


def _in_words(scores: Scores, name: str, former: str) -> str:
    """Return what a model has lost or gained."""
    return (
        f"macro F1, 95 % interval over {scores.people} people held out: {former} {scores.former}, "
        f"{name} {scores.score}; {difference_sentence(name, former, scores.change)}"
    )
