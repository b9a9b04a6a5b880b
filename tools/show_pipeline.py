#!/usr/bin/env python
"""Draw what the training pipeline of a config does to photos, and tell what it costs.

Example: python tools/show_pipeline.py configs/mobilenet_v2_arcface_rotate.py --out sheet.png
"""

from mmmask.cli import add_shared, command, parser_of
from mmmask.option_types import FEW, SEED, output_file


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("config", help="config file, such as configs/mobilenet_v2_arcface.py")
    parser.add_argument(
        "--out", type=output_file, required=True, metavar="PNG", help="picture to write"
    )
    add_shared(parser, "--data-root")
    add_shared(parser, "--table")
    parser.add_argument("--photos", type=FEW, default=6, metavar="N", help="rows; default: 6")
    parser.add_argument("--draws", type=FEW, default=6, metavar="N", help="columns; default: 6")
    parser.add_argument("--seed", type=SEED, default=0, help="of choice and draws; default: 0")
    add_shared(parser, "--cfg-options")
    args = vars(parser.parse_args())

    from mmmask.workflows.show_pipeline import show_pipeline

    path, cost = show_pipeline(args.pop("config"), **args)
    print(cost)
    print(path.resolve())


if __name__ == "__main__":
    raise SystemExit(command(main))
