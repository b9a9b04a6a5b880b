#!/usr/bin/env python
r"""Classify photos by a frozen pretrained network: minutes without a GPU.

The network sees each photo once, and its features are kept in a file. Logistic regressions for
mask, gender and age learn from them: on other people for the score, on everybody for the checkpoint
and for eval/. The checkpoint is an ordinary one: test, export, demo and fine-tuning take it.

Example: python tools/linear_probe.py configs/face_probe.py --data-root data \
    --pretrained weights.pth --submission submission.csv
"""

from pathlib import Path

from mmmask.cli import add_shared, command, parser_of
from mmmask.option_types import SEED, made_file, output_folder, whole
from mmmask.shipped import find_config


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("config", type=Path, help="such as configs/face_probe.py")
    add_shared(parser, "--data-root", help="holds train/, eval/; default: the config's")
    add_shared(parser, "--table", "--eval-table")
    parser.add_argument(
        "--pretrained", metavar="PATH|URL", help="weights of the backbone; default: the config's"
    )
    parser.add_argument(
        "--work-dir", type=output_folder, metavar="DIR", help="default: work_dirs/ + config name"
    )
    parser.add_argument(
        "--features",
        type=made_file,
        metavar="FILE",
        help="features (.arrow), made first where missing or stale; default: in the work dir",
    )
    add_shared(parser, "--corrections", "--samples", "--pack")
    parser.add_argument(
        "--hold-out",
        type=whole(0, 1000),
        metavar="K",
        help="leave out the people of fold K altogether: a teacher for students who hold them out",
    )
    parser.add_argument(
        "--no-eval", action="store_false", dest="eval_split", help="leave out eval/"
    )
    add_shared(parser, "--submission", "--unreadable")
    parser.add_argument("--seed", type=SEED, help="deals people; default: the config's")
    add_shared(parser, "--cfg-options")
    args = vars(parser.parse_args())

    from mmmask.reports.score_tables import print_folds
    from mmmask.workflows.linear_probe import LinearProbe, linear_probe
    from mmmask.workflows.show_predictions import show_scores

    args["config"] = find_config(args["config"])
    out = args.pop("work_dir") or Path("work_dirs") / args["config"].stem
    table, summary, files = linear_probe(LinearProbe(out=out, **args))
    print_folds(summary)
    print("\nout of fold, all people together:")
    show_scores(table)
    width = max(map(len, files))
    for name, path in files.items():
        print(f"{name:>{width}}: {path.resolve()}")


if __name__ == "__main__":
    raise SystemExit(command(main))
