#!/usr/bin/env python
r"""Where do two predictions or submissions differ? A page with the photos, to open in a browser.

Examples:
    python tools/compare.py work_dirs/a/val.parquet work_dirs/b/val.parquet --data-root data
    python tools/compare.py best.csv new.csv --data-root data --out compare.html
"""

from mmmask.cli import add_shared, command, parser_of
from mmmask.option_types import output_file


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument(
        "a", metavar="A", help="predictions (.parquet, .csv) or a submission (.csv)"
    )
    parser.add_argument("b", metavar="B", help="the other one; differences are B minus A")
    parser.add_argument(
        "--out",
        type=output_file,
        metavar="HTML",
        default="compare.html",
        help="default: compare.html",
    )
    add_shared(parser, "--data-root", help="holds the photos; default: a page without photos")
    add_shared(
        parser,
        "--labels",
        help="true classes (ImageID, ans, perhaps person); default: those in A or B",
    )
    args = parser.parse_args()

    from mmmask.workflows.pages.compare import compare

    compare(args.a, args.b, args.out, data_root=args.data_root, labels=args.labels)
    print(f"to open in a browser: {args.out}")


if __name__ == "__main__":
    raise SystemExit(command(main))
