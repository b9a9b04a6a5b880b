#!/usr/bin/env python
r"""Predict everybody's gender and age from people who look alike, to find wrong labels.

Nothing is trained, so it takes minutes: a pretrained backbone compares faces, and each person is
predicted from all others. A second opinion beside trained networks, or a first look at the data.

Example: python tools/probe.py configs/mobilenet_v2_linear.py --out-dir work_dirs/probe
Then:    python tools/label_errors.py work_dirs/probe/*.parquet --out suspects.csv
"""

from pathlib import Path

from mmmask.cli import add_shared, command, parser_of


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("config", help="its backbone, weights and preprocessing are used")
    parser.add_argument(
        "--out-dir", required=True, metavar="DIR", help="for gender.parquet and age.parquet"
    )
    add_shared(parser, "--data-root")
    parser.add_argument(
        "--pretrained", metavar="PATH|URL", help="weights of the backbone; default: the config's"
    )
    add_shared(parser, "--corrections", "--pack", "--cfg-options")
    args = vars(parser.parse_args())

    from mmmask.workflows.predict import Prediction
    from mmmask.workflows.probe import probe
    from mmmask.workflows.show_predictions import show

    tables = probe(args.pop("config"), **args)
    for name, table in tables.items():
        path = Path(args["out_dir"]) / f"{name}.parquet"
        show(Prediction(table, Path(args["data_root"] or "."), path))


if __name__ == "__main__":
    raise SystemExit(command(main))
