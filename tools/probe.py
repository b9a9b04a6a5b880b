#!/usr/bin/env python
r"""Predict everybody by a linear probe, to find wrong labels: tools/linear_probe.py for train/.

Example: python tools/probe.py configs/face_probe.py --pretrained weights.pth --out-dir work_dirs/p
Then:    python tools/label_errors.py work_dirs/p/oof.parquet --out suspects.csv
"""

from pathlib import Path

from mmmask.cli import add_shared, command, parser_of
from mmmask.option_types import output_folder
from mmmask.shipped import find_config


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("config", type=Path, help="such as configs/face_probe.py")
    parser.add_argument(
        "--out-dir",
        type=output_folder,
        required=True,
        metavar="DIR",
        help="where to write oof.parquet",
    )
    add_shared(parser, "--data-root")
    add_shared(parser, "--pretrained", metavar="PATH|URL", help="weights of the backbone")
    add_shared(parser, "--corrections", "--pack", "--cfg-options")
    args = vars(parser.parse_args())

    from mmmask.workflows.linear_probe import LinearProbe, linear_probe
    from mmmask.workflows.show_predictions import show_scores

    args["config"] = find_config(args["config"])
    table, _, files = linear_probe(LinearProbe(out=args.pop("out_dir"), eval_split=False, **args))
    show_scores(table)
    print(f"predictions: {files['out of fold'].resolve()}")


if __name__ == "__main__":
    raise SystemExit(command(main))
