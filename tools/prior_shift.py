#!/usr/bin/env python
r"""Correct predictions for other class shares than those of training, where evidence allows it.

Example: python tools/prior_shift.py work_dirs/kfold/NAME/eval.parquet \
    --oof work_dirs/kfold/NAME/oof.parquet --out corrected.parquet --submission submission.csv
    python tools/prior_shift.py work_dirs/kfold/NAME/oof.parquet --simulate 210 --out simulated
"""

from mmmask.cli import add_shared, command, parser_of


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("predictions", metavar="PREDS", help="predictions to correct")
    parser.add_argument("--oof", help="labelled out-of-fold predictions of the same models")
    parser.add_argument("--out", required=True, metavar="PATH", help="table; folder of --simulate")
    parser.add_argument(
        "--prior", metavar="TABLE", help="known shares (csv: of, value, share); default: estimated"
    )
    parser.add_argument(
        "--decision",
        metavar="macro-f1|argmax",
        default="macro-f1",
        help="answers of the best expected macro F1 (default), or the most probable classes",
    )
    add_shared(parser, "--submission")
    add_shared(parser, "--data-root", default="data", help="holds eval/info.csv; default: data")
    parser.add_argument("--shares", metavar="CSV", help="write the estimated shares")
    parser.add_argument("--plot", metavar="PNG", help="plot the shares")
    parser.add_argument("--resamples", type=int, help="default: 200; 60 with --simulate")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    parser.add_argument(
        "--simulate", type=int, metavar="N", help="measure on N shifts drawn from labelled PREDS"
    )
    args = vars(parser.parse_args())
    simulate, plot, oof = (args.pop(name) for name in ("simulate", "plot", "oof"))
    predictions, out = args.pop("predictions"), args.pop("out")

    from mmmask.errors import InputError
    from mmmask.files import check_picture
    from mmmask.reports.shift_report import plot_shares, print_outcome, print_simulation
    from mmmask.workflows.prior_shift import correct, simulate_shifts

    counts = {"--resamples": (args["resamples"], 20), "--simulate": (simulate, 2)}
    for name, (number, least) in counts.items():
        if number is not None and number < least:
            raise InputError(f"{name} must be at least {least}; got {number}")
    args["resamples"] = args["resamples"] or (200 if simulate is None else 60)
    if simulate is not None:
        chance = {name: args[name] for name in ("resamples", "seed")}
        print_simulation(simulate_shifts(predictions, out, repeats=simulate, **chance))
        print(f"shifts and plot: {out}/simulated.csv, simulated.png")
        return
    if oof is None:
        raise InputError("--oof is needed: labelled out-of-fold predictions of the same models")
    check_picture(plot)
    outcome = correct(predictions, oof, out=out, **args)
    print_outcome(outcome)
    if plot is not None:
        plot_shares(outcome, plot)
    written = {"predictions": out, **{name: args[name] for name in ("submission", "shares")}}
    for name, path in {**written, "plot": plot}.items():
        if path:
            print(f"{name:>11}: {path}")


if __name__ == "__main__":
    raise SystemExit(command(main))
