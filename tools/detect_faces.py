#!/usr/bin/env python
r"""Find the face in each photo under a folder and write the boxes as a table.

Example: python tools/detect_faces.py data --out data/boxes.parquet
Then:    python tools/train.py configs/mobilenet_v2_arcface_facecrop.py \
    --cfg-options preprocessing.faces.boxes=data/boxes.parquet
"""

from mmmask.cli import add_shared, command, parser_of
from mmmask.option_types import output_file


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("data_root", help="holds train/ and eval/, any folder or a table of photos")
    parser.add_argument(
        "--out",
        type=output_file,
        required=True,
        metavar="TABLE",
        help=".parquet or .csv; continued where it exists",
    )
    add_shared(parser, "--device")
    args = parser.parse_args()

    from mmmask.workflows.detect_faces import detect_faces

    table = detect_faces(args.data_root, args.out, device=args.device)
    found = table["x0"].notna()
    print(f"{found.sum():,} of {len(table):,} photos have a face ({100 * found.mean():.1f} %)")
    for stem, faces in found.groupby(table["image"].str.extract(r"(\w+)\.\w+$")[0]):
        if len(faces) > 1:  # photos named by the state of the mask
            print(f"    {stem}: {100 * faces.mean():.1f} % of {len(faces):,}")


if __name__ == "__main__":
    raise SystemExit(command(main))
