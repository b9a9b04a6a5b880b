#!/usr/bin/env python
r"""Combine predictions of several models; print what each adds, and scores where labels are known.

Examples:
    python tools/ensemble.py a/eval.parquet b/eval.parquet c/eval.parquet --vote weighted \
        --oof a/oof.parquet b/oof.parquet c/oof.parquet --out p.parquet --submission s.csv
    python tools/ensemble.py best.csv second.csv third.csv --vote hard --submission s.csv
    python tools/ensemble.py mask.parquet gender.parquet age.parquet --compose --out p.parquet
    python tools/ensemble.py seed_*/best*.pth --soup configs/effnet_b3_arcface.py --out soup.pth
"""

from mmmask.cli import add_shared, command, parser_of
from mmmask.errors import InputError
from mmmask.option_types import output_file


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument(
        "members",
        nargs="+",
        metavar="PREDS",
        help="predictions; or submissions (--vote hard), or checkpoints (--soup)",
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--vote", choices=("soft", "hard", "weighted", "stack"), help="default: soft, the mean"
    )
    composed = "multiply models of mask, gender and age into the 18 classes"
    how.add_argument("--compose", action="store_true", help=composed)
    how.add_argument("--soup", metavar="CONFIG", help="average the weights of checkpoints")
    out_of_fold = "predictions of people held out, by the same models: to judge and weight them"
    parser.add_argument("--oof", nargs="+", default=[], metavar="PREDS", help=out_of_fold)
    add_shared(parser, "--calibration", help="one for each model, applied first")
    add_shared(parser, "--decision")
    parser.add_argument(
        "--out",
        type=output_file,
        default="predictions.parquet",
        metavar="PATH",
        help="default: predictions.parquet",
    )
    add_shared(parser, "--submission")
    add_shared(parser, "--data-root", help="holds train/ and eval/; default: data")
    add_shared(parser, "--old-from", help="move the age cut, of models of years")
    parser.add_argument("--plot", type=output_file, metavar="PNG", help="plot of their agreement")
    args = vars(parser.parse_args())
    members, out, data_root = (args.pop(name) for name in ("members", "out", "data_root"))
    vote, compose, config = (args.pop(name) for name in ("vote", "compose", "soup"))
    for name in args if config else ("oof", "plot") if compose else ():
        if args[name] and args[name] != parser.get_default(name):
            raise InputError(f"--{name.replace('_', '-')} has no effect with --compose or --soup")

    if config:
        from mmmask.workflows.ensemble.soup import soup

        print(soup(members, config, out=out, data_root=data_root).resolve())
        return
    from mmmask.files import check_picture
    from mmmask.workflows.ensemble.combine import ensemble
    from mmmask.workflows.ensemble.compose import compose_attributes
    from mmmask.workflows.show_predictions import show, show_ensemble

    oof, plot, submission = args.pop("oof"), args.pop("plot"), args["submission"]
    args |= {"out": out, "data_root": data_root or "data", "calibrations": args.pop("calibration")}
    if compose:
        show(compose_attributes(members, **args), submission=submission)
    else:
        check_picture(plot)
        found = ensemble(members, vote=vote or "soft", oof=oof, **args)
        show_ensemble(found, plot=plot, submission=submission)


if __name__ == "__main__":
    raise SystemExit(command(main))
