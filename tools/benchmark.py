#!/usr/bin/env python
r"""Measure speed in one run: mmmask, the model alone, stock MMPretrain, and a plain loop.

Example: python tools/benchmark.py --data-root data --out docs/results/benchmark_cpu \
    --backbones mobilenet_v2:64 effnet_b0:16

Each run is a process of its own; contenders take turns, and ratios are taken within a turn.
Writes runs.csv, summary.csv, ratios.csv and speed.png. `--tasks growth` measures index, split,
class weights and metric at up to a million photos instead, and needs no photos.
"""

import argparse
from pathlib import Path

from mmmask.cli import command
from mmmask.workflows.benchmark.cases import TASKS


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--data-root", default="data", metavar="DIR", help="default: data")
    parser.add_argument(
        "--backbones",
        nargs="+",
        default=["mobilenet_v2:64", "effnet_b0:16"],
        metavar="NAME:BATCH",
        help="blocks of configs/_base_/backbones; default: mobilenet_v2:64 effnet_b0:16",
    )
    parser.add_argument(
        "--tasks", nargs="+", choices=(*TASKS, "growth"), default=[*TASKS, "growth"]
    )
    parser.add_argument("--contenders", nargs="+", help="default: all of a task")
    parser.add_argument("--repeats", type=int, default=3, help="default: 3")
    parser.add_argument("--steps", type=int, default=10, help="timed batches per run; default: 10")
    parser.add_argument("--workers", type=int, help="data workers; default: one per core")
    parser.add_argument("--amp", action="store_true", help="autocast, for all contenders")
    args = parser.parse_args()

    from mmmask.workflows.benchmark.run import benchmark

    benchmark(**vars(args))


if __name__ == "__main__":
    raise SystemExit(command(main))
