#!/usr/bin/env python
r"""Predict photos with a trained checkpoint; print scores where labels are known.

Example: python tools/test.py configs/effnet_b3_arcface.py \
    work_dirs/effnet_b3_arcface/best_macro_f1_epoch_9.pth --tta --submission submission.csv
"""

import argparse
import os

from mmmask.cli import command


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config of the run")
    parser.add_argument("checkpoint", help="such as work_dirs/.../best_macro_f1_epoch_9.pth")
    parser.add_argument("--data-root", metavar="DIR", help="holds train/ and eval/; default: data")
    parser.add_argument(
        "--split", choices=("eval", "val", "train", "all"), default="eval", help="default: eval"
    )
    parser.add_argument("--tta", action="store_true", help="average over the config's tta views")
    parser.add_argument(
        "--pack", metavar="FILE", help="packed photos (.arrow); made first where missing or stale"
    )
    parser.add_argument(
        "--out", metavar="PATH", help="predictions, .parquet or .csv; default: beside checkpoint"
    )
    parser.add_argument("--submission", metavar="CSV", help="submission in info.csv's order")
    parser.add_argument(
        "--labels", metavar="CSV", help="true classes of eval photos (ImageID, ans), to score them"
    )
    parser.add_argument(
        "--old-from", type=int, metavar="AGE", help="move the age cut, of a model of years"
    )
    parser.add_argument("--pictures", metavar="DIR", help="draw confusion matrix and faces")
    parser.add_argument(
        "--cfg-options", nargs="+", default=[], metavar="k=v", help="override config values"
    )
    parser.add_argument("--launcher", choices=("none", "pytorch"), default="none")
    parser.add_argument("--local-rank", type=int, default=0, help=argparse.SUPPRESS)
    args = vars(parser.parse_args())
    os.environ.setdefault("LOCAL_RANK", str(args.pop("local_rank")))
    pictures = args.pop("pictures")

    from mmmask.workflows.predict import predict
    from mmmask.workflows.show_predictions import show

    submission = args["submission"]
    prediction = predict(
        args.pop("config"), args.pop("checkpoint"), options=args.pop("cfg_options"), **args
    )
    if prediction is not None:
        show(prediction, pictures=pictures, submission=submission)


if __name__ == "__main__":
    raise SystemExit(command(main))
