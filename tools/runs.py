#!/usr/bin/env python
r"""List and compare runs; keep the ledger of submissions.

Examples: python tools/runs.py list work_dirs --sort score
    python tools/runs.py compare work_dirs/mobilenet_v2_linear work_dirs/mobilenet_v2_arcface
    python tools/runs.py check submission.csv
    python tools/runs.py score submission.csv 0.7337

`--submission` of other tools logs each submission in work_dirs/submissions, or in the folder that
the environment variable MMMASK_LEDGER names.
"""

from mmmask.cli import command, parser_of
from mmmask.option_types import SHARE


def main() -> None:
    parser = parser_of(__doc__)
    parser.set_defaults(folder="work_dirs", sort="score")
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    runs = actions.add_parser("list", help="all runs below a folder; what is done without ACTION")
    runs.add_argument("folder", nargs="?", default="work_dirs", help="default: work_dirs")
    runs.add_argument(
        "--sort", choices=("score", "time", "speed", "name"), default="score", help="default: score"
    )
    compare = actions.add_parser("compare", help="what differs, in config and in score")
    compare.add_argument("one", help="work dir of a run")
    compare.add_argument("other", help="work dir of another")
    actions.add_parser("submissions", help="the ledger")
    score = actions.add_parser("score", help="enter what the leaderboard said of a submission")
    score.add_argument("which", help="its number in the ledger, or a csv (ImageID, ans)")
    score.add_argument("value", type=SHARE, help="macro F1, 0 to 1")
    score.add_argument("--note", help="anything to remember with it")
    check = actions.add_parser("check", help="compare a csv with the best submission so far")
    check.add_argument("submission", help="csv (ImageID, ans), also one made elsewhere")
    args = parser.parse_args()

    if args.action in (None, "list"):
        from mmmask.reports.run_tables import print_runs
        from mmmask.workflows.runs import list_runs

        print_runs(list_runs(args.folder, args.sort), args.folder)
    elif args.action == "compare":
        from mmmask.reports.run_tables import print_comparison
        from mmmask.workflows.runs import compare_runs

        print_comparison(compare_runs(args.one, args.other), args.one, args.other)
    else:
        from mmmask.ledger import submissions as ledger
        from mmmask.reports.submission_tables import print_submission_check, print_submissions

        folder = ledger.ledger_folder()
        if args.action == "score":
            ledger.enter_score(args.which, args.value, folder, args.note)
        if args.action == "check":
            seen = ledger.check_submission(ledger.read_submission(args.submission), folder)
            print_submission_check(seen, ledger.warnings_of(seen), args.submission)
        else:
            print_submissions(ledger.read_log(folder))


if __name__ == "__main__":
    raise SystemExit(command(main))
