#!/usr/bin/env python
r"""Why did the score move? Train variants and their baseline on the same people and seeds.

Example: python tools/ablate.py configs/mobilenet_v2_linear.py \
    configs/mobilenet_v2_focal.py configs/mobilenet_v2_arcface.py --seeds 3
"""

from pathlib import Path

from mmmask.cli import add_shared, command, parser_of
from mmmask.shipped import find_config


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("baseline", type=Path, help="config that the others are compared with")
    parser.add_argument("variants", type=Path, nargs="+", help="configs with one change each")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each config; default 3")
    add_shared(parser, "--data-root", help="holds train/; default: the configs'")
    add_shared(parser, "--pretrained")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("work_dirs/ablation"),
        metavar="DIR",
        help="runs, table and plot; what is finished there is kept; default: %(default)s",
    )
    add_shared(parser, "--cfg-options", help="overrides for all runs alike")
    args = parser.parse_args()

    from mmmask.errors import InputError
    from mmmask.files import write_csv
    from mmmask.reports.difference_report import plot_differences, print_differences
    from mmmask.workflows.studies.ablate import Ablation, ablate

    if args.seeds < 1:
        raise InputError(f"--seeds must be at least 1; got {args.seeds}")
    configs = [find_config(name) for name in (args.baseline, *args.variants)]
    baseline = configs[0].stem
    comparison = ablate(
        Ablation(
            configs=configs,
            seeds=range(args.seeds),
            out=args.out,
            data_root=args.data_root,
            pretrained=args.pretrained,
            options=args.options,
        )
    )
    print_differences(comparison, baseline)
    write_csv(args.out / "ablation.csv", comparison)
    plot_differences(comparison, baseline, args.out / "ablation.png")
    print(f"table and plot: {(args.out / 'ablation.csv').resolve()}, ablation.png")


if __name__ == "__main__":
    raise SystemExit(command(main))
