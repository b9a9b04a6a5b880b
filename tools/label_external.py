#!/usr/bin/env python
r"""Label photos from elsewhere with a trained model, as further training samples.

Example: python tools/label_external.py configs/mobilenet_v2_arcface.py \
    work_dirs/mobilenet_v2_arcface/best_macro_f1_epoch_6.pth photos.csv --out external.parquet
Then:    python tools/train.py configs/mobilenet_v2_arcface.py --samples external.parquet
"""

from mmmask.cli import add_shared, command, parser_of
from mmmask.option_types import SHARE, output_file


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("config", help="config of the model")
    parser.add_argument("checkpoint", help="such as work_dirs/.../best_macro_f1_epoch_6.pth")
    parser.add_argument(
        "photos",
        help="folder, or csv: image (relative to the csv) and, where known, "
        "person, mask (wear, incorrect, normal), gender (male, female), age (years)",
    )
    parser.add_argument(
        "--out",
        type=output_file,
        required=True,
        metavar="TABLE",
        help="samples, .parquet or .csv",
    )
    add_shared(parser, "--data-root", help="of the training; default: the config's")
    parser.add_argument(
        "--threshold",
        type=SHARE,
        default=0.8,
        help="leave out photos whose label is less probable; default: 0.8",
    )
    add_shared(parser, "--weight")
    add_shared(parser, "--cfg-options")
    args = vars(parser.parse_args())

    from mmmask.labels import CLASSES
    from mmmask.workflows.more_samples.label_external import label_external

    samples, seen = label_external(**args)
    print(f"{len(samples):,} of {seen:,} photos labelled")
    for label, count in samples["label"].value_counts().sort_index().items():
        print(f"{count:>8,}  {CLASSES[label]}")


if __name__ == "__main__":
    raise SystemExit(command(main))
