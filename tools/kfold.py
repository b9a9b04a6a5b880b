#!/usr/bin/env python
r"""Train a config on every fold of people; predict everybody by the model that never saw them.

Example: python tools/kfold.py configs/mobilenet_v2_decomposed_dldl.py --folds 5 --pack data/p.arrow

A run that was killed continues where it was when the command is given again.
"""

from pathlib import Path

from mmmask.cli import add_shared, command, parser_of
from mmmask.option_types import FEW, SEED, output_folder, whole
from mmmask.shipped import find_config


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("config", type=Path, help="config file")
    parser.add_argument(
        "--folds", type=whole(2, 1000), required=True, metavar="K", help="number of folds"
    )
    parser.add_argument(
        "--out", type=output_folder, metavar="DIR", help="default: work_dirs/kfold/ + config name"
    )
    add_shared(parser, "--data-root", help="holds train/, eval/; default: the config's")
    add_shared(parser, "--table", "--eval-table")
    add_shared(parser, "--pretrained", "--samples", "--corrections", "--teacher")
    add_shared(parser, "--pack", help="packed photos (.arrow), made once for all")
    add_shared(parser, "--amp")
    parser.add_argument("--seed", type=SEED, help="seed of every fold; default: the config's")
    parser.add_argument("--tta", action="store_true", help="predict with the config's tta views")
    parser.add_argument(
        "--no-eval", action="store_false", dest="eval_split", help="do not predict eval/"
    )
    add_shared(parser, "--unreadable")
    parser.add_argument(
        "--checkpoint",
        choices=("last", "best"),
        default="last",
        help="which predicts; best: chosen by the people held out, so their score is too high",
    )
    add_shared(parser, "--decision")
    parser.add_argument(
        "--engine", choices=("local", "ray"), default="local", help="where folds run; default: here"
    )
    parser.add_argument("--jobs", type=FEW, help="folds at a time; default: 1 here, all on ray")
    add_shared(parser, "--cfg-options")
    args = vars(parser.parse_args())

    from mmmask.reports.score_tables import print_folds
    from mmmask.workflows.show_predictions import show_scores
    from mmmask.workflows.studies.kfold import KFold, kfold

    args["config"] = find_config(args["config"])
    args["out"] = args["out"] or Path("work_dirs/kfold") / args["config"].stem
    study = KFold(**args)
    table, summary, files = kfold(study)
    print_folds(summary)
    print("\nout of fold, all people together:")
    show_scores(table)
    print("written:", *(str(path.resolve()) for path in files), sep="\n  ")


if __name__ == "__main__":
    raise SystemExit(command(main))
