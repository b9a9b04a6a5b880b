#!/usr/bin/env python
"""Mean and std of a data set as config lines, and the photos that are worth a look.

Examples:
    python tools/data_stats.py data --config configs/effnet_b3_arcface.py --out outliers.csv
    python tools/train.py configs/effnet_b3_arcface.py --cfg-options data.drop=outliers.csv
"""

from mmmask.cli import add_shared, command, parser_of
from mmmask.option_types import number, output_file, whole


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("data_root", help="holds train/")
    parser.add_argument(
        "--config",
        help="config whose preprocessing and hold-out count; default: whole photos of everybody",
    )
    parser.add_argument(
        "--out",
        type=output_file,
        metavar="TABLE",
        help="table of outliers, for data.drop; delete the lines of photos to keep",
    )
    parser.add_argument(
        "--dark",
        type=number(0, 255),
        default=30,
        metavar="L",
        help="list photos whose mean luminance, of 255, is lower; default: 30",
    )
    parser.add_argument(
        "--small",
        type=whole(0),
        default=96,
        metavar="PX",
        help="list photos whose shorter side is less; default: 96",
    )
    parser.add_argument(
        "--alike",
        type=whole(0, 64),
        default=2,
        metavar="BITS",
        help="list photos of two people that differ in at most so many of 64 hash bits; default: 2",
    )
    add_shared(parser, "--cfg-options")
    args = vars(parser.parse_args())

    from mmmask.workflows.data_stats import data_stats

    stats = data_stats(args.pop("data_root"), **args)
    print(stats.in_words())
    if args["out"] is not None:
        print(f"to review, then for --cfg-options data.drop=...: {args['out']}")


if __name__ == "__main__":
    raise SystemExit(command(main))
