#!/usr/bin/env python
r"""Measure speed in one run: mmmask, the model alone, stock MMPretrain, and a plain loop.

Example: python tools/benchmark.py --data-root data --out docs/results/benchmark_cpu \
    --backbones mobilenet_v2:64 effnet_b0:16

Each run is a process of its own; contenders take turns, and ratios are taken within a turn.
Writes runs.csv, summary.csv, ratios.csv and speed.png. `--tasks growth` measures index, split,
class weights and metric at up to a million photos instead, and needs no photos.
"""

from mmmask.cli import add_shared, command, parser_of
from mmmask.option_types import output_folder, whole
from mmmask.workflows.benchmark.cases import TASKS


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument(
        "--out", type=output_folder, required=True, metavar="DIR", help="folder of the results"
    )
    add_shared(parser, "--data-root", default="data", help="default: data")
    parser.add_argument(
        "--backbones",
        nargs="+",
        default=["mobilenet_v2:64", "effnet_b0:16"],
        metavar="NAME:BATCH",
        help="blocks of configs/_base_/backbones; default: mobilenet_v2:64 effnet_b0:16",
    )
    parser.add_argument(
        "--tasks",
        nargs="+",
        choices=(*TASKS, "growth"),
        default=[*TASKS, "growth"],
        help="default: all",
    )
    parser.add_argument("--contenders", nargs="+", help="what to compare; default: all of a task")
    parser.add_argument("--repeats", type=whole(1), default=3, help="runs of each; default: 3")
    parser.add_argument(
        "--steps", type=whole(1), default=10, help="timed batches per run; default: 10"
    )
    parser.add_argument(
        "--workers", type=whole(0, 1000), help="data workers; default: one per core"
    )
    add_shared(parser, "--amp", help="autocast, for all contenders")
    args = parser.parse_args()

    from mmmask.workflows.benchmark.run import benchmark

    benchmark(**vars(args))


if __name__ == "__main__":
    raise SystemExit(command(main))
