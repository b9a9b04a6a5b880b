#!/usr/bin/env python
r"""Make a samples table of photos and labels of any other form.

Examples:
    python tools/import_data.py folders photos --out photos/table.csv \
        --map with_mask=wear without_mask=normal 'old_men=gender:male,age:60-' unsure=-
    python tools/import_data.py utkface UTKFace --out utkface.csv --set mask=normal
    python tools/import_data.py csv list.csv --out table.csv --columns image=path,gender=sex \
        --map gender:F=female gender:M=male

KIND: competition, folders (one for each class), utkface, fairface, maskedface_net, voc (boxes of
faces in xml files), csv. A mapping NAME= says that nothing is known, NAME=- leaves photos out.
"""

from pathlib import Path
from typing import Any

from mmmask.cli import command, parser_of
from mmmask.option_types import number, output_file, output_folder, whole


def main() -> None:
    parser = parser_of(__doc__)
    add = parser.add_argument
    several: dict[str, Any] = {"action": "extend", "nargs": "+"}
    flag: dict[str, Any] = {"action": "store_true", "default": None}
    add("kind", metavar="KIND", help="see above")
    add("src", metavar="SRC", type=Path, help="folder; csv for csv and fairface")
    add("--out", type=output_file, required=True, metavar="TABLE", help=".csv or .parquet")
    what = "what a folder, a name in voc, or (FIELD:VALUE=FACTS) a value of a csv means"
    add("--map", dest="mapping", **several, metavar="NAME=FACTS", help=what)
    add(
        "--set",
        dest="given",
        default=[],
        **several,
        metavar="FIELD=VALUE",
        help="known of all photos",
    )
    add("--columns", **several, metavar="FIELD=COLUMN", help="which columns of a csv to read")
    add(
        "--images",
        metavar="DIR",
        type=Path,
        help="folder of the photos; default: SRC or its folder",
    )
    add("--person-folders", **flag, help="folders: those below a class are people")
    add("--eval", dest="eval_photos", **flag, help="competition: eval/ in place of train/")
    add("--crops", metavar="DIR", type=output_folder, help="voc: new folder for the faces, 3:4")
    add(
        "--margin",
        metavar="M",
        type=number(0, 100),
        help="voc: share of a box added per side; default: 0.4",
    )
    add("--min-size", metavar="PX", type=whole(1), help="voc: leave out smaller boxes; default: 32")
    add("--source", help="name of the data set; default: that of SRC")
    add("--skip", action="store_true", help="leave out, and list, rows not understood")
    add("--absolute", action="store_true", help="no path relative to the folder of the table")
    args = vars(parser.parse_args())

    from mmmask.reports.import_table import print_known, print_left_out
    from mmmask.workflows.import_data import import_data

    done = import_data(**args)
    print_known(done.samples)
    print_left_out(done.problems, done.left_out)
    print(f"table: {args['out'].resolve()}")


if __name__ == "__main__":
    raise SystemExit(command(main))
