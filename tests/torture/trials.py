"""What a promise is, and how many trials of it held: the loop that all parts share."""

import shutil
import time
import traceback
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

Trial = Callable[[np.random.Generator, Path], str | None]
#: A promise that broke so often is not tried further.
FAULTS = 5


@dataclass(frozen=True)
class Promise:
    """One sentence that must hold, and what tries it.

    ``trial`` gets a generator of random numbers and an empty folder, and returns what broke the
    promise, or None if it held. ``prepare`` makes what all trials start from. ``most`` is after
    how many trials enough is known.
    """

    part: str
    name: str
    says: str
    trial: Trial
    prepare: Callable[[], object] = lambda: None
    most: int | None = None


@dataclass
class Outcome:
    """What came of the trials of a promise."""

    promise: Promise
    trials: int = 0
    seconds: float = 0.0
    broken: list[tuple[int, str]] = field(default_factory=list)
    prepared: bool | None = None  # None before the first trial

    @property
    def enough(self) -> bool:
        done = self.promise.most is not None and self.trials >= self.promise.most
        return done or len(self.broken) >= FAULTS or self.prepared is False


def draws(seed: int, promise: Promise, number: int) -> np.random.Generator:
    """Return the random numbers of one trial: they depend on these three alone."""
    name = zlib.crc32(f"{promise.part}/{promise.name}".encode())
    return np.random.default_rng([seed, name, number])


def again(seed: int, promise: Promise, number: int) -> str:
    """Return the command that repeats one trial."""
    only = f"--only {promise.part}/{promise.name} --trial {number}"
    return f"python -m tests.torture --seed {seed} {only}"


def attempt(outcome: Outcome, seed: int, number: int, folder: Path) -> None:
    """Make one trial. The folder of one that broke is kept; an error of ours counts as broken."""
    promise = outcome.promise
    place = folder / promise.part / f"{promise.name}-{number}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    started = time.monotonic()
    try:
        if not outcome.prepared:
            outcome.prepared = False
            promise.prepare()
            outcome.prepared, started = True, time.monotonic()
        fault = promise.trial(draws(seed, promise, number), place)
    except Exception:
        fault = f"the trial itself failed: {traceback.format_exc().strip()}"
    outcome.seconds += time.monotonic() - started
    outcome.trials += 1
    if fault is None:
        shutil.rmtree(place, ignore_errors=True)
        return
    outcome.broken.append((number, fault))
    print(f"\nBROKEN {promise.part}/{promise.name}: {promise.says}\n  {fault}", flush=True)
    print(f"  repeat: {again(seed, promise, number)}\n  kept: {place}", flush=True)


def run_part(promises: Sequence[Promise], seed: int, until: float, folder: Path) -> list[Outcome]:
    """Try the promises of a part in turn until a moment of :func:`time.monotonic`.

    The next trial is of the promise that has had the least time, so that slow ones do not crowd
    out the others.
    """
    outcomes = [Outcome(promise) for promise in promises]
    while time.monotonic() < until:
        waiting = [each for each in outcomes if not each.enough]
        if not waiting:
            break
        next_one = min(waiting, key=lambda each: (each.trials > 0, each.seconds))
        attempt(next_one, seed, next_one.trials, folder)
    return outcomes


def as_table(outcomes: Sequence[Outcome], seed: int) -> pd.DataFrame:
    """Return one row per promise; ``command`` repeats its first broken trial, or else all."""
    rows = [
        {
            "part": each.promise.part,
            "promise": each.promise.says,
            "trials": each.trials,
            "broken": len(each.broken),
            "seconds": round(each.seconds),
            "seed": seed,
            "command": again(seed, each.promise, each.broken[0][0])
            if each.broken
            else f"python -m tests.torture --seed {seed} --only {each.promise.part}",
        }
        for each in outcomes
    ]
    return pd.DataFrame(rows)


def as_markdown(table: pd.DataFrame) -> str:
    """Return the table as docs/reliability.md shows it."""
    shown = ["part", "promise", "trials", "broken"]
    lines = [f"| {' | '.join(shown)} |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(map(str, row))} |" for row in table[shown].itertuples(index=False)]
    return "\n".join(lines)


#: Between these, a page shows the last table.
MARKS = ("<!-- torture -->", "<!-- /torture -->")


def shown(page: str, table: pd.DataFrame) -> str:
    """Return a page with the table, and what it came of, between its marks."""
    before, rest = page.split(MARKS[0])
    _, after = rest.split(MARKS[1])
    minutes = round(table["seconds"].sum() / 60)
    said = (
        f"The last one: `make torture SEED={table['seed'].iloc[0]}`, "
        f"{table['trials'].sum():,} trials in {minutes} minutes, {table['broken'].sum()} broken"
    )
    source = "([csv](results/torture.csv))"
    return f"{before}{MARKS[0]}\n{said} {source}:\n\n{as_markdown(table)}\n{MARKS[1]}{after}"
