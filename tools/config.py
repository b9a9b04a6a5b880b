#!/usr/bin/env python
r"""Write a config as one complete file, to read, to build on by _base_, or for other programs.

Example: python tools/config.py configs/effnet_b3_arcface.py --out full.py \
    --cfg-options train_cfg.max_epochs=3
"""

from mmmask.cli import add_shared, command, parser_of
from mmmask.option_types import output_file


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("config", help="config file, such as configs/effnet_b3_arcface.py")
    parser.add_argument(
        "--out",
        type=output_file,
        required=True,
        metavar="FILE",
        help=".py; a complete config there is replaced",
    )
    add_shared(parser, "--cfg-options")
    args = parser.parse_args()

    from mmmask.config import parse_options, write_config
    from mmmask.engine.runner_config import load_checked

    write_config(load_checked(args.config, parse_options(args.options)), args.out)
    print(f"complete config: {args.out}")


if __name__ == "__main__":
    raise SystemExit(command(main))
