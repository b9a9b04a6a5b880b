#!/usr/bin/env python
r"""Combine predictions of several models; print what each adds, and scores where labels are known.

Examples:
    python tools/ensemble.py a/eval.parquet b/eval.parquet c/eval.parquet --vote weighted \
        --oof a/oof.parquet b/oof.parquet c/oof.parquet --out p.parquet --submission s.csv
    python tools/ensemble.py best.csv second.csv third.csv --vote hard --submission s.csv
    python tools/ensemble.py mask.parquet gender.parquet age.parquet --compose --out p.parquet
"""

import argparse

from mmmask.cli import command
from mmmask.errors import InputError


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "predictions", nargs="+", metavar="PREDS", help="tables, or submissions for --vote hard"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--vote", choices=("soft", "hard", "weighted", "stack"), help="default: soft, the mean"
    )
    how.add_argument(
        "--compose", action="store_true", help="multiply mask, gender and age to the 18 classes"
    )
    parser.add_argument(
        "--oof",
        nargs="+",
        default=[],
        metavar="PREDS",
        help="of the same models, of people held out: judges members, fits weights and stacks",
    )
    parser.add_argument(
        "--calibration", nargs="+", default=[], metavar="JSON", help="one for each model, first"
    )
    parser.add_argument(
        "--out", default="predictions.parquet", metavar="PATH", help="default: predictions.parquet"
    )
    parser.add_argument("--submission", metavar="CSV", help="submission in info.csv's order")
    parser.add_argument(
        "--data-root", default="data", metavar="DIR", help="holds eval/info.csv; default: data"
    )
    parser.add_argument(
        "--old-from", type=int, metavar="AGE", help="move the age cut, of models of years"
    )
    parser.add_argument("--plot", metavar="PNG", help="draw the agreement of the members")
    args = parser.parse_args()

    from mmmask.workflows.show import show, show_ensemble

    shared = {
        "out": args.out,
        "calibrations": args.calibration,
        "submission": args.submission,
        "data_root": args.data_root,
        "old_from": args.old_from,
    }
    if args.compose:
        from mmmask.workflows.ensemble.compose import compose_attributes

        if args.oof or args.plot:
            raise InputError("--compose takes no --oof and no --plot; combine what it writes")
        show(compose_attributes(args.predictions, **shared), submission=args.submission)
        return
    from mmmask.workflows.ensemble.combine import ensemble

    found = ensemble(args.predictions, vote=args.vote or "soft", oof=args.oof, **shared)
    show_ensemble(found, plot=args.plot, submission=args.submission)


if __name__ == "__main__":
    raise SystemExit(command(main))
