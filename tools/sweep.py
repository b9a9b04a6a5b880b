#!/usr/bin/env python
r"""Which values of a config are best? Trials proposed by Optuna, scored on people held out.

Example: python tools/sweep.py configs/mobilenet_v2_arcface.py \
    --space configs/spaces/arcface.py --trials 30 --confirm

Trial 0 is the config as it is; trials differ in the values of the space alone. The same command
again continues where it ended; with more --trials it adds some.
"""

from pathlib import Path

from mmmask.cli import add_shared, command, parser_of
from mmmask.option_types import FEW, SEED, output_folder, whole
from mmmask.shipped import find_config


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("config", type=Path, help="config to vary")
    parser.add_argument(
        "--space",
        type=Path,
        required=True,
        metavar="SPACE.py",
        help="what may vary, such as configs/spaces/arcface.py",
    )
    parser.add_argument(
        "--trials", type=whole(1), required=True, help="number of trials, trial 0 included"
    )
    parser.add_argument("--folds", type=FEW, default=1, help="folds held out in turn; default: 1")
    parser.add_argument(
        "--confirm",
        type=whole(0, 1000),
        nargs="?",
        const=2,
        default=0,
        metavar="SEEDS",
        help="then train the best trial and trial 0 again, with so many other seeds (default: 2) "
        "and other people held out",
    )
    parser.add_argument(
        "--pruner",
        default="median",
        metavar="median|hyperband|none",
        help="what ends hopeless trials early; default: median",
    )
    parser.add_argument("--engine", default="local", metavar="local|ray", help="default: local")
    parser.add_argument("--jobs", type=FEW, default=1, help="trials at a time; default: 1")
    add_shared(parser, "--data-root", "--pretrained")
    add_shared(parser, "--table")
    add_shared(parser, "--pack", help="packed photos (.arrow), made if missing")
    parser.add_argument("--seed", type=SEED, default=0, help="of trainings and trials; default: 0")
    parser.add_argument(
        "--out", type=output_folder, metavar="DIR", help="default: work_dirs/sweep/ + config name"
    )
    add_shared(parser, "--cfg-options", help="overrides for all trials")
    args = vars(parser.parse_args())
    args["config"] = find_config(args["config"])
    args["out"] = args["out"] or Path("work_dirs/sweep") / args["config"].stem

    from mmmask.workflows.studies.sweep import confirm, sweep
    from mmmask.workflows.studies.sweep_plan import Sweep
    from mmmask.workflows.studies.sweep_results import show_sweep

    plan = Sweep(**args)
    sweep(plan)
    best = show_sweep(plan).best
    if plan.confirm:
        confirm(plan, best)


if __name__ == "__main__":
    raise SystemExit(command(main))
