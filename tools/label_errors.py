#!/usr/bin/env python
r"""List labels that are probably wrong, from predictions of people that the models did not learn.

Example: python tools/label_errors.py work_dirs/kfold/mobilenet_v2_decomposed_dldl/oof.parquet \
    --out suspects.csv
Then:    python tools/review.py suspects.csv --out corrections.csv
"""

from mmmask.cli import add_shared, command, parser_of
from mmmask.option_types import SHARE, output_file, whole


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument(
        "predictions",
        nargs="+",
        metavar="OOF",
        help="out-of-fold predictions of tools/kfold.py; several models are weighted by how good "
        "they are; a model of one attribute counts for that attribute",
    )
    parser.add_argument(
        "--out",
        type=output_file,
        required=True,
        metavar="TABLE",
        help="table to write, .csv or .parquet",
    )
    add_shared(parser, "--data-root", default="data", help="default: data")
    add_shared(parser, "--corrections", help="those that the models were trained with")
    add_shared(parser, "--calibration", help="one for each OOF")
    parser.add_argument(
        "--top", type=whole(1), default=40, metavar="N", help="at most N per kind; default: 40"
    )
    parser.add_argument(
        "--min-score",
        type=SHARE,
        default=0.1,
        metavar="P",
        help="lowest probability of a wrong label to list; 0 lists the first N of each kind, "
        "suspect or not; default: 0.1",
    )
    args = parser.parse_args()

    from mmmask.reports.label_issue_tables import print_label_issues
    from mmmask.workflows.label_errors.find import find_label_errors

    found = find_label_errors(
        args.predictions,
        args.out,
        data_root=args.data_root,
        corrections=args.corrections,
        calibrations=args.calibration,
        top=args.top,
        min_score=args.min_score,
    )
    print_label_issues(found.issues, found.summary)
    print(f"{len(found.issues)} label issues: {args.out.resolve()}")
    if len(found.issues):
        print(
            f"Next: look at them with tools/review.py {args.out} --out corrections.csv, then train "
            "with tools/train.py ... --corrections corrections.csv"
        )


if __name__ == "__main__":
    raise SystemExit(command(main))
