#!/usr/bin/env python
"""One page, to open in a browser: what is in a data set, or how a run went.

Example: python tools/report.py data --out data.html
"""

import argparse

from mmmask.cli import command


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", help="a data root, which holds train/, or a run directory")
    parser.add_argument("--out", metavar="HTML", default="report.html", help="default: report.html")
    parser.add_argument(
        "--faces",
        type=int,
        default=40,
        metavar="N",
        help="of a data root: photos shown of each class; 0: all; default: 40",
    )
    args = parser.parse_args()

    from mmmask.workflows.report import report

    report(args.path, args.out, faces=args.faces)
    print(f"to open in a browser: {args.out}")


if __name__ == "__main__":
    raise SystemExit(command(main))
