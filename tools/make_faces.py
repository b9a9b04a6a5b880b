"""Draw a small data set of faces in the competition's layout, to try everything without its data.

Example:
    python tools/make_faces.py --out data --people 150 --eval-people 40
"""

from mmmask.cli import command, parser_of
from mmmask.option_types import SEED, output_folder, whole


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument(
        "--out", type=output_folder, required=True, help="folder to make; new or empty"
    )
    parser.add_argument(
        "--people",
        type=whole(6, 999_999),
        required=True,
        help="people in train, 7 photos each; at least 6",
    )
    parser.add_argument(
        "--eval-people", type=whole(0, 999_999), default=0, help="people in eval; default: 0"
    )
    parser.add_argument("--seed", type=SEED, default=0, help="same seed, same files; default: 0")
    parser.add_argument(
        "--size",
        type=whole(32, 10_000),
        nargs=2,
        default=(96, 128),
        metavar=("W", "H"),
        help="width and height in pixels, at least 32; default: 96 128",
    )
    args = parser.parse_args()

    from mmmask.drawing.drawn_faces import draw_dataset  # after --help: it loads OpenCV

    draw_dataset(
        args.out,
        people=args.people,
        eval_people=args.eval_people,
        seed=args.seed,
        size=tuple(args.size),
    )


if __name__ == "__main__":
    raise SystemExit(command(main))
