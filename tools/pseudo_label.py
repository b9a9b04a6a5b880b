#!/usr/bin/env python
r"""Make training samples of photos without labels, where models are sure of them.

Example: python tools/pseudo_label.py work_dirs/mobilenet_v2_linear/predictions_eval.parquet \
    --threshold 0.95 --max-per-class 200 --out pseudo.parquet
Then:    python tools/train.py configs/mobilenet_v2_linear.py --samples pseudo.parquet \
    --work-dir work_dirs/with_pseudo_labels
"""

from mmmask.cli import add_shared, command, parser_of
from mmmask.option_types import FEW, SHARE, output_file, whole


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument(
        "predictions", nargs="+", metavar="PREDS", help="of the same photos; averaged"
    )
    parser.add_argument(
        "--out",
        type=output_file,
        required=True,
        metavar="TABLE",
        help="samples, .parquet or .csv",
    )
    parser.add_argument(
        "--threshold", type=SHARE, metavar="P", help="least probability of a label; default: 0.8"
    )
    parser.add_argument(
        "--top-k", type=whole(1), metavar="N", help="instead: the N surest photos of each class"
    )
    parser.add_argument(
        "--max-per-class",
        nargs="+",
        type=whole(0),
        metavar="N",
        help="at most N photos of a class, the surest; one number, or 18",
    )
    parser.add_argument(
        "--agree", type=FEW, metavar="K", help="models that must predict the label; default: all"
    )
    add_shared(parser, "--calibration", help="one for each PREDS")
    add_shared(parser, "--weight")
    args = parser.parse_args()

    from mmmask.reports.pseudo_label_table import print_pseudo_labels
    from mmmask.workflows.more_samples.pseudo_label import pseudo_label

    made = pseudo_label(
        args.predictions,
        args.out,
        threshold=args.threshold,
        top=args.top_k,
        most=args.max_per_class,
        agree=args.agree,
        calibrations=args.calibration,
        weight=args.weight,
    )
    print_pseudo_labels(made.classes)
    if not args.calibration:
        print(
            "note: probabilities are not calibrated, so a label may be less sure than it seems; "
            "tools/calibrate.py makes a --calibration"
        )
    if made.from_test_set:
        print(
            f"warning: {made.from_test_set:,} of them are photos of the test set; some consider "
            "training on them leakage, so runs and predictions with them say so"
        )
    print(f"{len(made.samples):,} samples: {args.out.resolve()}")


if __name__ == "__main__":
    raise SystemExit(command(main))
