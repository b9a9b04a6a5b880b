#!/usr/bin/env python
r"""Look at label issues in the browser and decide with one key each; stop and go on at any time.

Example: python tools/review.py suspects.csv --out corrections.csv \
    --oof work_dirs/kfold/mobilenet_v2_decomposed_dldl/oof.parquet
Then:    python tools/train.py configs/mobilenet_v2_decomposed_dldl.py --corrections corrections.csv
"""

from mmmask.cli import add_shared, command, parser_of
from mmmask.option_types import PORT, output_file


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("issues", help="label issues of tools/label_errors.py, .csv or .parquet")
    parser.add_argument(
        "--out",
        type=output_file,
        required=True,
        metavar="CSV",
        help="corrections for tools/train.py; what it already holds stays. All decisions are kept "
        "in CSV.log beside it, and the same command goes on where they end",
    )
    add_shared(parser, "--data-root", default="data", help="default: data")
    parser.add_argument(
        "--oof", metavar="OOF", help="predictions of tools/kfold.py, to show beside the photos"
    )
    parser.add_argument(
        "--features",
        metavar="ARROW",
        help="features.arrow of a probe: shows the most similar photos of other people",
    )
    parser.add_argument("--port", type=PORT, default=8001, help="port of the page; default: 8001")
    args = parser.parse_args()

    from mmmask.reports.local_server import check_installed, serve

    check_installed()
    from mmmask.workflows.label_errors.review import opened_review
    from mmmask.workflows.label_errors.review_app import review_app

    with opened_review(args.issues, args.out, data_root=args.data_root) as review:
        app = review_app(review, args.data_root, opinions=args.oof, features=args.features)
        for notice in review.notices:
            print(notice)
        try:
            serve(app, args.port, "review")
        except KeyboardInterrupt:  # as it is meant to end
            print(review.said())


if __name__ == "__main__":
    raise SystemExit(command(main))
