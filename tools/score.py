#!/usr/bin/env python
r"""Score predictions with intervals, and tell whether one is better than another.

Example: python tools/score.py work_dirs/kfold/a/oof.parquet work_dirs/kfold/b/oof.parquet
         python tools/score.py submission.csv best.csv --labels eval_labels.csv

Intervals are over people, because the photos of a person are alike. A difference is paired: both
are scored on the same people. It speaks of these models, not of their configs: other seeds may
move a score as much. For configs, see tools/ablate.py.
"""

from mmmask.cli import add_shared, command, parser_of


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument(
        "predictions",
        nargs="+",
        metavar="PREDS",
        help="predictions or submissions of the same photos; all are compared with the first",
    )
    add_shared(parser, "--labels", help="csv of eval's true classes (ImageID, ans, perhaps person)")
    args = parser.parse_args()

    from mmmask.evaluation.ages import Ages
    from mmmask.evaluation.intervals import units_to_draw
    from mmmask.reports.difference_report import ONE_MODEL, difference_sentence
    from mmmask.reports.score_tables import (
        age_sentence,
        how_sure,
        print_score_table,
        print_sources,
        print_warnings,
    )
    from mmmask.workflows.score import (
        by_source,
        differences,
        intervals_of,
        read_scored,
        short_names,
    )
    from mmmask.workflows.show_predictions import show_scores

    tables = read_scored(args.predictions, args.labels)
    first, *others = tables
    if not others:
        show_scores(tables[first])
        return
    names = dict(zip(tables, short_names(tables), strict=True))
    print(f"{len(tables[first]):,} photos, {how_sure(tables[first])}")
    print_score_table({names[path]: intervals_of(tables[path]) for path in tables})
    for path, table in tables.items():
        sources = by_source(table)
        if sources is not None:
            print(f"{names[path]}:")
            print_sources(sources, units_to_draw(table)[1])
    for path, difference in differences(tables).items():
        print(difference_sentence(names[path], names[first], difference))
    print(ONE_MODEL)
    for path, table in tables.items():
        ages = Ages.of(table)
        if ages is not None:
            print(f"{names[path]}: {age_sentence(ages)}")
        print_warnings(table.attrs.get("provenance", {}), names[path])


if __name__ == "__main__":
    raise SystemExit(command(main))
