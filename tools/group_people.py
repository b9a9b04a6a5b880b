#!/usr/bin/env python
r"""Fill in who is on the photos of a table, so that nobody is both learned from and held out.

Photos that are nearly the same become one person and, with a file of features, those whose
features are alike. Given people are kept; two given people who look like one are a doubt.

Examples:
    python tools/group_people.py table.csv --out people.csv --page doubts.html
    python tools/linear_probe.py configs/face_probe.py --table table.csv \
        --features faces.arrow
    python tools/group_people.py table.csv --out people.csv --features faces.arrow
"""

from mmmask.cli import command, parser_of
from mmmask.option_types import number, output_file, whole


def main() -> None:
    parser = parser_of(__doc__)
    add = parser.add_argument
    add("table", metavar="TABLE", help="of photos: .csv or .parquet with the column image")
    helped = ".csv or .parquet, with column person filled in"
    add("--out", type=output_file, required=True, metavar="TABLE", help=helped)
    helped = "page of the doubtful pairs of photos"
    add("--page", type=output_file, metavar="HTML", help=helped)
    add("--data-root", metavar="DIR", help="folder of the photos; default: that of TABLE")
    add("--features", metavar="FILE", help="features of tools/linear_probe.py")
    add(
        "--columns",
        nargs=2,
        type=whole(0),
        action="append",
        metavar=("FIRST", "END"),
        help="features to compare, END not included; given twice, both sets count alike. "
        "Default: all",
    )
    add(
        "--alike",
        type=number(0, 64),
        metavar="X",
        help="largest mean distance between photos of one person: cosine distance of centred "
        "features, default: 0.5; without features, bits of 64, default: 6",
    )
    args = vars(parser.parse_args())

    from mmmask.workflows.group_people import group_people

    print(group_people(args.pop("table"), **args).in_words())
    print(f"table: {args['out'].resolve()}")
    if args["page"] is not None:
        print(f"page: {args['page'].resolve()}")


if __name__ == "__main__":
    raise SystemExit(command(main))
