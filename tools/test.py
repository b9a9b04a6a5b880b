#!/usr/bin/env python
r"""Predict photos with a trained checkpoint; print scores where labels are known.

Example: python tools/test.py configs/effnet_b3_arcface.py \
    work_dirs/effnet_b3_arcface/best_macro_f1_epoch_9.pth --tta --submission submission.csv
"""

import os

from mmmask.cli import add_shared, command, parser_of
from mmmask.option_types import output_file, output_folder


def main() -> None:
    parser = parser_of(__doc__)
    add_shared(parser, "config", "checkpoint")
    add_shared(parser, "--data-root", help="holds train/ and eval/; default: data")
    add_shared(parser, "--table", "--eval-table")
    parser.add_argument(
        "--split", choices=("eval", "val", "train", "all"), default="eval", help="default: eval"
    )
    parser.add_argument("--tta", action="store_true", help="average over the config's tta views")
    add_shared(parser, "--pack")
    parser.add_argument(
        "--out",
        type=output_file,
        metavar="PATH",
        help="predictions, .parquet or .csv; default: beside the checkpoint",
    )
    add_shared(parser, "--calibration", action="store", nargs=None, default=None,
               help="applied to the predictions; tools/calibrate.py fits it")  # fmt: skip
    add_shared(parser, "--decision", "--submission")
    add_shared(parser, "--labels", help="csv of eval's true classes (ImageID, ans, perhaps person)")
    add_shared(parser, "--old-from", "--unreadable")
    parser.add_argument(
        "--pictures", type=output_folder, metavar="DIR", help="draw confusion matrix and faces"
    )
    add_shared(parser, "--cfg-options", "--launcher", "--local-rank")
    args = vars(parser.parse_args())
    os.environ.setdefault("LOCAL_RANK", str(args.pop("local_rank")))

    from mmmask.workflows.predict import Request, predict
    from mmmask.workflows.show_predictions import show

    prediction = predict(Request(**args))
    if prediction is not None:
        show(prediction, pictures=args["pictures"], submission=args["submission"])


if __name__ == "__main__":
    raise SystemExit(command(main))
