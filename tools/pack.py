#!/usr/bin/env python
r"""Decode, crop and resize every photo once, for faster epochs with the same numbers.

Example: python tools/pack.py data --out data/effnet_b3.arrow --config configs/effnet_b3_arcface.py
         python tools/train.py configs/effnet_b3_arcface.py --pack data/effnet_b3.arrow

Configs with the same preprocessing block share a pack; a stale one is made anew.
"""

from mmmask.cli import add_shared, command, parser_of
from mmmask.option_types import output_file


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("data_root", metavar="DATA_ROOT", help="holds train/, eval/ or both")
    parser.add_argument(
        "--out", type=output_file, required=True, metavar="FILE", help="pack to write, .arrow"
    )
    parser.add_argument("--config", required=True, help="config whose preprocessing is applied")
    add_shared(parser, "--cfg-options")
    args = parser.parse_args()

    from mmmask.workflows.pack import pack

    photos = pack(args.config, data_root=args.data_root, out=args.out, options=args.options)
    print(f"{args.out}: {photos} photos, {args.out.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    raise SystemExit(command(main))
