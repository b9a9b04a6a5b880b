#!/usr/bin/env python
"""Train a config.

Example: python tools/train.py configs/effnet_b3_arcface.py --data-root data
"""

import argparse
import os

from mmmask.cli import command


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config file, such as configs/effnet_b3_arcface.py")
    parser.add_argument("--data-root", metavar="DIR", help="holds train/ and eval/; default: data")
    parser.add_argument(
        "--pretrained", metavar="none|PATH|URL", help="weights to start from; default: the config's"
    )
    parser.add_argument("--work-dir", metavar="DIR", help="default: work_dirs/ + config name")
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
    parser.add_argument("--samples", nargs="+", default=[], metavar="TABLE", help="further samples")
    parser.add_argument("--corrections", metavar="CSV", help="label corrections")
    parser.add_argument(
        "--pack", metavar="FILE", help="packed photos (.arrow); made first where missing or stale"
    )
    parser.add_argument("--amp", action="store_true", help="bfloat16 autocast, on any device")
    parser.add_argument(
        "--compile",
        action="store_true",
        dest="compile_backbone",
        help="compile the backbone: a slow first step, then faster ones",
    )
    parser.add_argument("--seed", type=int, help="default: the config's")
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        default=[],
        metavar="k=v",
        help="override config values, e.g. train_cfg.max_epochs=3 'preprocessing.size=(64,48)'",
    )
    parser.add_argument("--launcher", choices=("none", "pytorch"), default="none")
    parser.add_argument("--local-rank", type=int, default=0, help=argparse.SUPPRESS)
    args = vars(parser.parse_args())
    os.environ.setdefault("LOCAL_RANK", str(args.pop("local_rank")))

    from mmmask.workflows.train import train

    train(args.pop("config"), options=args.pop("cfg_options"), **args)


if __name__ == "__main__":
    raise SystemExit(command(main))
