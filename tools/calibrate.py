#!/usr/bin/env python
r"""Fit on out-of-fold predictions what makes probabilities mean what they say.

Example: python tools/calibrate.py work_dirs/kfold/mobilenet_v2_linear/oof.parquet \
    --out calibration.json --plot reliability.png
"""

from mmmask.cli import command, parser_of
from mmmask.option_types import output_file


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("oof", metavar="OOF", help="labelled predictions of people held out")
    parser.add_argument(
        "--out",
        type=output_file,
        default="calibration.json",
        metavar="JSON",
        help="default: %(default)s",
    )
    parser.add_argument(
        "--method",
        default="attribute",
        metavar="attribute|temperature|vector",
        help="mask, gender and age each in their own way (default), one temperature for all, or a "
        "scale and a bias for each class",
    )
    parser.add_argument(
        "--plot", type=output_file, metavar="PNG", help="draw accuracy over confidence"
    )
    args = parser.parse_args()

    from mmmask.reports.calibration_report import print_calibration
    from mmmask.workflows.calibrate import calibrate

    fitted, measured = calibrate(args.oof, args.out, args.method, args.plot)
    print_calibration(measured, fitted.provenance["people"], fitted.provenance.get("left_out"))
    print(f"calibration: {args.out.resolve()}")
    if args.plot:
        print(f"       plot: {args.plot.resolve()}")


if __name__ == "__main__":
    raise SystemExit(command(main))
