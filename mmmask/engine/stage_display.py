"""How far a stage has come: a live bar in a terminal, plain lines elsewhere."""

import atexit
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Column

#: Seconds between two displays, in a terminal and elsewhere.
TERMINAL_PAUSE = 0.5
PLAIN_PAUSE = 10.0


class StageDisplay:
    """The progress of one stage, such as an epoch or a validation.

    A caller asks :meth:`is_due` before it computes what to show, so that numbers on the GPU are
    read only when they are shown.

    Args:
        title: What is under way, such as ``epoch 3/20``.
        total: Its number of steps.
        console: Where to show it.
    """

    def __init__(self, title: str, total: int, *, console: Console) -> None:
        self.title, self.total, self.console = title, total, console
        self._shown = time.monotonic()
        self._bar: Progress | None = None
        if console.is_terminal:
            facts = TextColumn("{task.fields[facts]}", table_column=Column(no_wrap=True))
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=20),
                MofNCompleteColumn(),
                facts,
                console=console,
                transient=True,  # the summary of the stage takes its place
                auto_refresh=False,
            )
            self._task = self._bar.add_task(title, total=total, facts="")
            self._bar.start()
            atexit.register(self.stop)  # a run that fails must not leave the cursor hidden

    def is_due(self) -> bool:
        """Tell whether it is time to show something new."""
        pause = PLAIN_PAUSE if self._bar is None else TERMINAL_PAUSE
        return time.monotonic() - self._shown >= pause

    def show(self, done: int, facts: str) -> None:
        """Show the number of steps done and some facts about them."""
        self._shown = time.monotonic()
        if self._bar is None:
            print_line(self.console, f"{self.title}  {done}/{self.total}  {facts}")
        else:
            self._bar.update(self._task, completed=done, facts=facts, refresh=True)

    def stop(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()
            atexit.unregister(self.stop)


def print_line(console: Console, text: str) -> None:
    """Print one unadorned line, not wrapped at the console's width."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def clock(seconds: float) -> str:
    """Return seconds as ``h:mm:ss``."""
    minutes, second = divmod(round(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}"
