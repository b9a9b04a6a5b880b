#!/usr/bin/env python
r"""A model card: how good a model is, where it fails, and how far another one fails alike.

Examples:
    python tools/model_card.py work_dirs/face_probe/oof.parquet --data-root data --out card.md
    python tools/model_card.py face/oof.parquet lite0/oof.parquet --data-root data --out card.md \
        --wrong 20 --pictures surest.jpg --causes causes.csv
"""

from pathlib import Path

from mmmask.cli import add_shared, command, parser_of
from mmmask.option_types import output_file, whole


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("predictions", metavar="OOF", help="predictions of people held out")
    parser.add_argument(
        "other",
        nargs="?",
        metavar="OTHER_OOF",
        help="those of another model, to count the errors that both make",
    )
    parser.add_argument(
        "--out", type=output_file, required=True, metavar="MD", help="the card, Markdown"
    )
    add_shared(parser, "--data-root", help="holds the photos; adds scores by brightness")
    parser.add_argument(
        "--wrong",
        type=whole(0),
        default=20,
        metavar="N",
        help="surest wrong answers to list, one of each person; default: 20",
    )
    parser.add_argument(
        "--causes",
        metavar="CSV",
        help="csv (image, cause): why you think people are answered wrongly; causes are counted",
    )
    parser.add_argument(
        "--pictures",
        type=output_file,
        metavar="JPG",
        help="sheet of the surest wrong answers, to look at",
    )
    args = parser.parse_args()

    from mmmask.workflows.pages.model_card import model_card

    model_card(**vars(args))
    for name in (args.out, args.pictures):
        if name is not None:
            print(Path(name).resolve())


if __name__ == "__main__":
    raise SystemExit(command(main))
