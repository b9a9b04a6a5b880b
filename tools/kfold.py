#!/usr/bin/env python
r"""Train a config on every fold of people; predict everybody by the model that never saw them.

Example: python tools/kfold.py configs/mobilenet_v2_decomposed_dldl.py --folds 5 --pack data/p.arrow

A run that was killed continues where it was when the command is given again.
"""

import argparse
from pathlib import Path

from mmmask.cli import command


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path, help="config file")
    parser.add_argument("--folds", type=int, required=True, metavar="K", help="how many")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="default: work_dirs/kfold/ + config name"
    )
    parser.add_argument("--data-root", metavar="DIR", help="holds train/, eval/; default: config's")
    parser.add_argument("--pretrained", metavar="none|PATH|URL", help="as for tools/train.py")
    parser.add_argument("--samples", nargs="+", default=[], metavar="TABLE", help="further samples")
    parser.add_argument("--corrections", metavar="CSV", help="label corrections")
    parser.add_argument("--pack", metavar="FILE", help="packed photos (.arrow), made once for all")
    parser.add_argument("--amp", action="store_true", help="bfloat16 autocast, on any device")
    parser.add_argument("--seed", type=int, help="of every fold; default: the config's")
    parser.add_argument("--tta", action="store_true", help="predict with the config's tta views")
    parser.add_argument(
        "--no-eval", action="store_false", dest="eval_split", help="do not predict eval/"
    )
    parser.add_argument(
        "--checkpoint",
        choices=("last", "best"),
        default="last",
        help="that predicts; best: chosen by the people held out, whose score is then too high",
    )
    parser.add_argument(
        "--engine", choices=("local", "ray"), default="local", help="where folds run; default: here"
    )
    parser.add_argument("--jobs", type=int, help="folds at a time; default: 1 here, all on ray")
    parser.add_argument(
        "--cfg-options", nargs="+", default=[], metavar="k=v", help="override config values"
    )
    args = vars(parser.parse_args())

    from mmmask.reports.score_tables import print_folds
    from mmmask.workflows.show_predictions import show_scores
    from mmmask.workflows.studies.kfold import KFold, kfold

    args["out"] = args["out"] or Path("work_dirs/kfold") / args["config"].stem
    study = KFold(options=args.pop("cfg_options"), **args)
    table, summary, files = kfold(study)
    print_folds(summary)
    print("\nout of fold, all people together:")
    show_scores(table)
    print("written:", *(str(path.resolve()) for path in files), sep="\n  ")


if __name__ == "__main__":
    raise SystemExit(command(main))
