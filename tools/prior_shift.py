#!/usr/bin/env python
r"""Correct predictions for other class shares than those of training, where evidence allows it.

Example: python tools/prior_shift.py work_dirs/kfold/NAME/eval.parquet \
    --oof work_dirs/kfold/NAME/oof.parquet --out corrected.parquet --submission submission.csv
    python tools/prior_shift.py oof.parquet --simulate 210 --people 200 --out simulated
"""

from argparse import SUPPRESS

from mmmask.cli import add_shared, command, parser_of
from mmmask.errors import InputError
from mmmask.option_types import SEED, number, output_file, output_path, whole


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("predictions", metavar="PREDS", help="predictions to correct")
    parser.add_argument("--oof", help="labelled out-of-fold predictions of the same models")
    where = "table to write; with --simulate, a folder"
    parser.add_argument("--out", type=output_path, required=True, metavar="PATH", help=where)
    parser.add_argument(
        "--prior", metavar="TABLE", help="known shares (csv: of, value, share); default: estimated"
    )
    decision = "answer for the best expected macro F1 (default), or the most probable class"
    add_shared(parser, "--decision", default="macro-f1", help=decision)
    caution = "correct if the expected gain is over X of its standard deviations; default: 1"
    parser.add_argument(
        "--caution", type=number(0, 1e6), default=SUPPRESS, metavar="X", help=caution
    )
    add_shared(parser, "--submission")
    add_shared(parser, "--data-root", default="data", help="holds eval/info.csv; default: data")
    for name, kind, text in (("--shares", "CSV", "write"), ("--plot", "PNG", "plot")):
        parser.add_argument(name, type=output_file, metavar=kind, help=f"{text} the shares")
    for name, least, text in (
        ("--resamples", 20, "of people and photos; default: 100; 30 with --simulate"),
        ("--simulate", 2, "measure the gain on N shifts drawn from labelled PREDS"),
        ("--people", 20, "people in each test set of --simulate; default: 200"),
    ):
        parser.add_argument(name, type=whole(least), metavar="N", default=SUPPRESS, help=text)
    parser.add_argument("--seed", type=SEED, default=0, help="default: 0")
    args = vars(parser.parse_args())
    plot, oof, predictions, out = map(args.pop, ("plot", "oof", "predictions", "out"))

    from mmmask.files import check_picture
    from mmmask.reports.shift_report import plot_shares, print_outcome, print_simulation
    from mmmask.workflows.prior_shift import correct, simulate_shifts

    if "simulate" in args:
        given = {"oof": oof, "plot": plot, **args}
        for name in ("oof", "plot", "prior", "shares", "submission"):
            if given[name] is not None:
                raise InputError(f"--{name} has no effect with --simulate")
        names = ("decision", "caution", "resamples", "seed", "people")
        chosen = {name: args[name] for name in names if name in args}
        print_simulation(simulate_shifts(predictions, out, repeats=args["simulate"], **chosen))
        print(f"shifts and plot: {out}/simulated.csv, simulated.png")
        return
    if "people" in args:
        raise InputError("--people has no effect without --simulate")
    if oof is None:
        raise InputError("--oof is needed: labelled out-of-fold predictions of the same models")
    check_picture(plot)
    outcome = correct(predictions, oof, out=out, **args)
    print_outcome(outcome)
    if plot is not None:
        plot_shares(outcome, plot)
    files = {"predictions": out, **{name: args[name] for name in ("submission", "shares")}}
    for name, path in {**files, "plot": plot}.items():
        if path:
            print(f"{name:>11}: {path}")


if __name__ == "__main__":
    raise SystemExit(command(main))
