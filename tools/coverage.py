#!/usr/bin/env python
r"""Measure whether 95 % intervals hold the truth in 95 % of samples, as they promise.

Example: python tools/coverage.py --tables work_dirs/kfold/a/oof.parquet \
    work_dirs/kfold/b/oof.parquet --out coverage.csv

Samples of people are drawn from simulated people, and from those of the tables, with replacement;
there the truth is known. Each interval of macro F1, of the difference of two models, and of two
recipes of several trainings is compared with it, beside bootstrap intervals.
"""

from pathlib import Path

from mmmask.cli import command, parser_of
from mmmask.option_types import SEED, output_file, whole


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument(
        "--tables",
        type=Path,
        nargs="+",
        default=[],
        metavar="OOF",
        help="predictions of the same people held out, one table per model",
    )
    parser.add_argument(
        "--sets", type=whole(2), default=1000, help="samples drawn of each size; default: 1000"
    )
    parser.add_argument("--seed", type=SEED, default=0, help="default: 0")
    parser.add_argument(
        "--out",
        type=output_file,
        default="coverage.csv",
        metavar="CSV",
        help="default: %(default)s",
    )
    args = parser.parse_args()

    from mmmask.files import write_csv
    from mmmask.reports.coverage_report import print_coverage
    from mmmask.workflows.coverage import measure

    measured = measure(args.tables, sets=args.sets, seed=args.seed)
    print_coverage(measured)
    write_csv(args.out, measured.round(4))
    print(f"table: {args.out.resolve()}")


if __name__ == "__main__":
    raise SystemExit(command(main))
