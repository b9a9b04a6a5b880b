#!/usr/bin/env python
"""One page, to open in a browser: what is in a data set, or how a run went.

Examples:
    python tools/report.py data --out data.html
    python tools/report.py work_dirs/effnet_b3_arcface --out run.html
    python tools/report.py work_dirs/kfold/effnet_b3_arcface --tags glasses.csv --out kfold.html
"""

from mmmask.cli import add_shared, command, parser_of
from mmmask.option_types import output_file, whole


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument(
        "path",
        help="a data root (with train/), table of photos, or folder of a run, k-fold or probe",
    )
    parser.add_argument(
        "--out",
        type=output_file,
        metavar="HTML",
        default="report.html",
        help="default: report.html",
    )
    parser.add_argument(
        "--faces",
        type=whole(0),
        default=40,
        metavar="N",
        help="photos shown of each class, of a data root; 0: all; default: 40",
    )
    run = parser.add_argument_group("of a run")
    add_shared(run, "--data-root", help="holds the photos; default: as in the training")
    run.add_argument(
        "--boxes",
        metavar="TABLE",
        help="table of tools/detect_faces.py, for scores by face found or not",
    )
    run.add_argument(
        "--tags",
        metavar="CSV",
        help="csv (person or image, tag), such as glasses: scores of the photos with each tag",
    )
    run.add_argument(
        "--features",
        metavar="ARROW",
        help="of a probe, for a map of the people and the photos most like each wrong answer; "
        "default: features.arrow in the folder, where it has one",
    )
    run.add_argument(
        "--cam",
        type=whole(0, zero="none"),
        default=48,
        metavar="none|N",
        help="HiResCAM beside the N surest wrong answers; default: 48",
    )
    args = parser.parse_args()

    from mmmask.workflows.pages.report import report

    given = {name: value for name, value in vars(args).items() if name not in ("path", "out")}
    report(args.path, args.out, **given)
    print(f"to open in a browser: {args.out}")


if __name__ == "__main__":
    raise SystemExit(command(main))
