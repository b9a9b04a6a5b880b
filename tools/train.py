#!/usr/bin/env python
"""Train a config.

Example: python tools/train.py configs/effnet_b3_arcface.py --data-root data
"""

import os

from mmmask.cli import add_shared, command, parser_of
from mmmask.option_types import SEED, output_folder


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("config", help="config file, such as configs/effnet_b3_arcface.py")
    add_shared(parser, "--data-root", help="holds train/ and eval/; default: data")
    add_shared(parser, "--table", "--eval-table")
    add_shared(parser, "--pretrained")
    parser.add_argument(
        "--work-dir",
        type=output_folder,
        metavar="DIR",
        help="default: the config's, or work_dirs/ + its name",
    )
    parser.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        metavar="auto|PATH",
        help="continue the last checkpoint of the work dir, or the given one",
    )
    parser.add_argument(
        "--split",
        choices=("holdout", "all"),
        default="holdout",
        help="validate on the held-out fold of people, or train on everybody",
    )
    add_shared(parser, "--samples", "--corrections", "--teacher", "--pack", "--amp")
    parser.add_argument(
        "--compile",
        action="store_true",
        dest="compile_backbone",
        help="compile the backbone: a slow first step, then faster ones",
    )
    parser.add_argument("--seed", type=SEED, help="default: the config's")
    add_shared(
        parser,
        "--cfg-options",
        help="override config values, e.g. train_cfg.max_epochs=3 'preprocessing.size=(64,48)'",
    )
    add_shared(parser, "--launcher", "--local-rank")
    args = vars(parser.parse_args())
    os.environ.setdefault("LOCAL_RANK", str(args.pop("local_rank")))

    from mmmask.workflows.train import train

    work_dir = train(args.pop("config"), **args)
    if os.environ.get("RANK", "0") == "0":
        print(f"run: {work_dir}")


if __name__ == "__main__":
    raise SystemExit(command(main))
