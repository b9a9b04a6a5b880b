#!/usr/bin/env python
"""List the configs that come with mmmask, each with the question it answers.

Example: python tools/configs.py
"""

from mmmask.cli import command, parser_of
from mmmask.shipped import CONFIGS, scripts, summary


def main() -> None:
    parser_of(__doc__).parse_args()
    configs = scripts(CONFIGS)
    width = max(map(len, configs))
    for name, path in configs.items():
        print(f"{name:{width}}  {summary(path)}")


if __name__ == "__main__":
    raise SystemExit(command(main))
