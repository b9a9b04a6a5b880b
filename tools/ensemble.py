#!/usr/bin/env python
r"""Combine predictions of several models; print scores where labels are known.

Example: python tools/ensemble.py mask.parquet gender.parquet age.parquet --compose \
    --out composed.parquet --submission submission.csv
"""

import argparse

from mmmask.cli import command
from mmmask.errors import InputError


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("predictions", nargs="+", metavar="PREDS", help="written by tools/test.py")
    parser.add_argument(
        "--compose", action="store_true", help="multiply mask, gender and age to the 18 classes"
    )
    parser.add_argument(
        "--out", default="predictions.parquet", metavar="PATH", help="default: predictions.parquet"
    )
    parser.add_argument("--submission", metavar="CSV", help="submission in info.csv's order")
    parser.add_argument(
        "--data-root", default="data", metavar="DIR", help="holds eval/info.csv; default: data"
    )
    parser.add_argument(
        "--old-from", type=int, metavar="AGE", help="move the age cut, of an age model of years"
    )
    args = parser.parse_args()
    if not args.compose:
        raise InputError("say how to combine the predictions: --compose")

    from mmmask.workflows.ensemble import compose_attributes
    from mmmask.workflows.show import show

    prediction = compose_attributes(
        args.predictions,
        out=args.out,
        submission=args.submission,
        data_root=args.data_root,
        old_from=args.old_from,
    )
    show(prediction, submission=args.submission)


if __name__ == "__main__":
    raise SystemExit(command(main))
