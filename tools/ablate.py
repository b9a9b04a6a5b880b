#!/usr/bin/env python
r"""Why did the score move? Train variants and their baseline on the same people and seeds.

With --techniques, heads on a file of frozen features in place of variants: many, in minutes. With
--leave-source-out, such heads that learn from all data sets but one: what does each of them add?

Example: python tools/ablate.py configs/mobilenet_v2_linear.py \
    configs/mobilenet_v2_focal.py configs/mobilenet_v2_arcface.py --seeds 3

python tools/ablate.py configs/face_probe.py --techniques configs/spaces/techniques.py \
    --features features.arrow --seeds 5 --out work_dirs/techniques
"""

from pathlib import Path

from mmmask.cli import add_shared, command, parser_of
from mmmask.option_types import FEW, made_file, output_folder
from mmmask.shipped import find_config


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("baseline", type=Path, help="config that the others are compared with")
    parser.add_argument("variants", type=Path, nargs="*", help="configs with one change each")
    parser.add_argument("--seeds", type=FEW, default=3, help="runs of each config; default: 3")
    add_shared(parser, "--data-root", help="holds train/; default: the configs'")
    add_shared(parser, "--table")
    add_shared(parser, "--pretrained")
    parser.add_argument(
        "--out",
        type=output_folder,
        default="work_dirs/ablation",
        metavar="DIR",
        help="runs, table and plot; what is finished there is kept; default: %(default)s",
    )
    add_shared(parser, "--cfg-options", help="overrides for all runs alike")
    heads = parser.add_argument_group("heads on frozen features")
    heads.add_argument("--techniques", metavar="FILE", help="Python file, in place of variants")
    heads.add_argument(
        "--features",
        type=made_file,
        metavar="FILE",
        help="features (.arrow), made where missing; default: in --out",
    )
    heads.add_argument(
        "--leave-source-out",
        action="store_true",
        help="each head without the photos of each source (column source), against all of them",
    )
    heads.add_argument("--jobs", type=FEW, help="heads trained at a time; default: 1")
    args = parser.parse_args()

    from mmmask.files import write_csv
    from mmmask.reports.difference_report import plot_differences, print_differences
    from mmmask.workflows.studies.ablate import Ablation, ablate
    from mmmask.workflows.studies.techniques import run_techniques

    configs = [find_config(name) for name in (args.baseline, *args.variants)]
    names = ("out", "data_root", "pretrained", "options")
    shared = {"seeds": range(args.seeds), **{name: getattr(args, name) for name in names}}
    if args.techniques or args.features or args.jobs or args.leave_source_out:
        given = args.techniques, args.features, args.jobs
        run_techniques(configs, *given, leave_source_out=args.leave_source_out, **shared)
        return
    comparison = ablate(Ablation(configs=configs, **shared))
    baseline = configs[0].stem
    print_differences(comparison, baseline)
    write_csv(args.out / "ablation.csv", comparison)
    plot_differences(comparison, baseline, args.out / "ablation.png")
    print(f"table and plot: {(args.out / 'ablation.csv').resolve()}, ablation.png")


if __name__ == "__main__":
    raise SystemExit(command(main))
