"""Try the promises of docs/reliability.md at random; exit status 1 when one broke.

Example: python -m tests.torture --minutes 5
"""

import argparse
import os
import secrets
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmmask.cli import limit_thread_spinning

# In the background SIGINT is ignored, by what is started here too, unless it has a handler.
signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.setdefault("OMP_NUM_THREADS", "1")
limit_thread_spinning()

from tests.torture import full_disk, kills, long_run, photos, review, stored, tables
from tests.torture.bench import ROOT, Bench
from tests.torture.trials import Outcome, Promise, as_markdown, as_table, attempt, run_part, shown


@dataclass(frozen=True)
class Part:
    """A part of the torture: its share of the time, and the seconds without which it has no use."""

    promises: Callable[[Bench], list[Promise]]
    share: float
    least: float = 0


PARTS = {
    "kills": Part(lambda bench: [*kills.promises(bench), *review.promises(bench)], 0.33),
    "full_disk": Part(full_disk.promises, 0.18),
    "photos": Part(photos.promises, 0.09),
    "stored": Part(stored.promises, 0.1),
    "tables": Part(tables.promises, 0.15),
    "long_run": Part(long_run.promises, 0.15, least=long_run.SECONDS),
}


def run(seed: int, minutes: float, only: str | None, bench: Bench, folder: Path) -> list[Outcome]:
    """Run the parts, each for its share of the minutes; time that one leaves goes to the later."""
    waiting = [name for name in PARTS if only is None or _matches(only, name)]
    ends = time.monotonic() + 60 * minutes
    outcomes: list[Outcome] = []
    while waiting:
        now = time.monotonic()
        seconds = (ends - now) * PARTS[waiting[0]].share / sum(PARTS[n].share for n in waiting)
        name = waiting.pop(0)
        if only is None and seconds < PARTS[name].least:
            print(f"{name}: left out, it needs {PARTS[name].least:.0f} s", flush=True)
            continue
        promises = [each for each in PARTS[name].promises(bench) if _named(only, each)]
        print(f"{name}: {len(promises)} promises, {seconds:.0f} s", flush=True)
        found = run_part(promises, seed, now + seconds, folder)
        trials, broken = sum(each.trials for each in found), sum(len(each.broken) for each in found)
        took = time.monotonic() - now
        print(f"{name}: {trials} trials, {broken} broken, {took:.0f} s", flush=True)
        outcomes += found
    return outcomes


def _matches(only: str, part: str) -> bool:
    return only.split("/")[0] == part


def _named(only: str | None, promise: Promise) -> bool:
    return only is None or "/" not in only or only == f"{promise.part}/{promise.name}"


def repeat(seed: int, only: str, number: int, bench: Bench, folder: Path) -> list[Outcome]:
    """Make one trial of one promise again."""
    promises = PARTS[only.split("/")[0]].promises(bench)
    (promise,) = [each for each in promises if _named(only, each)]
    outcome = Outcome(promise)
    attempt(outcome, seed, number, folder)
    return [outcome]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, help="of all trials; default: a new one")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--only", metavar="PART[/PROMISE]", help=f"one of {', '.join(PARTS)}")
    parser.add_argument("--trial", type=int, help="make this one alone, of --only PART/PROMISE")
    parser.add_argument("--folder", type=Path, default=ROOT / "work_dirs" / "torture")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the table here")
    parser.add_argument("--page", type=Path, metavar="MD", help="show the table there, too")
    args = parser.parse_args(arguments)
    if args.trial is not None and "/" not in (args.only or ""):
        parser.error("--trial is one of --only PART/PROMISE")
    if args.only is not None and args.only.split("/")[0] not in PARTS:
        parser.error(f"--only must be one of {', '.join(PARTS)}; got {args.only}")
    seed = secrets.randbelow(2**31) if args.seed is None else args.seed
    print(f"seed {seed}", flush=True)
    folder = args.folder.resolve() / str(seed)
    shutil.rmtree(folder, ignore_errors=True)
    bench = Bench(folder / "bench")
    try:
        if args.trial is None:
            outcomes = run(seed, args.minutes, args.only, bench, folder)
        else:
            outcomes = repeat(seed, args.only, args.trial, bench, folder)
    finally:
        bench.close()
    table = as_table(outcomes, seed)
    if args.csv is not None:
        table.to_csv(args.csv, index=False)
    if args.page is not None:
        args.page.write_text(shown(args.page.read_text(), table))
    print(f"\n{as_markdown(table)}\n\nseed {seed}")
    broken = any(each.broken for each in outcomes)
    if not broken:
        shutil.rmtree(folder)
    return int(broken)


if __name__ == "__main__":
    raise SystemExit(main())
