"""The sentences on what stands out in a run."""

from collections.abc import Iterator, Sequence

import numpy as np

from mmmask.evaluation.intervals import mean_intervals
from mmmask.evaluation.scores import confusion, f1_per_class
from mmmask.ledger.cards import status
from mmmask.reports.output import counted
from mmmask.reports.pages.parts import Finding, by_weight, shown
from mmmask.reports.pages.run_charts import Slices
from mmmask.reports.pages.run_facts import RunFacts, Scored
from mmmask.reports.pages.run_likeness import against_label

#: Slices that are named at most.
_MOST = 3
#: From this mean difference of probability and share of right answers on, a finding, unless 0 is
#: in its interval.
_DISHONEST = 0.05


def find(facts: RunFacts, slices: Sequence[Slices]) -> list[Finding]:
    """Return what stands out, what to act on first."""
    found = []
    if facts.learned is not None:
        found.append(Finding("act", f"This model was {facts.learned}.", "card"))
    found += [Finding("act", sentence, "card") for sentence in facts.missing]
    found += [
        Finding("know", f"{words[0].upper()}{words[1:]}.", "card") for words in facts.flattered
    ]
    if facts.scored is not None:
        found += [*_answers(facts.scored), *_low_slices(slices, facts.scored)]
        found += [*_people(facts.scored), *_against_label(facts)]
    return by_weight([*found, *_training(facts)])


def _answers(scored: Scored) -> Iterator[Finding]:
    known = scored.whole.known
    if not known.any():
        text = "No photo knows mask, gender and age together, so there is no macro F1."
        yield Finding("know", text, "classes")
        return
    whole, right = scored.whole.of_known, scored.right[known]
    share = right.mean()
    counts = confusion(whole.truth, whole.predicted, len(whole.values))
    f1, photos = f1_per_class(counts), counts.sum(axis=1)
    if len(scored.parts) > 1:
        wrong = {part.name: part.wrong for part in scored.parts[1:]}
        shares = {part.name: part.wrong[part.known].mean() for part in scored.parts[1:]}
        worst = max(wrong, key=lambda name: shares[name])
        of_wrong = wrong[worst][known][~right].mean() if share < 1 else 0.0
        yield Finding(
            "know",
            f"Of the attributes {worst} is the weakest, {100 * (1 - shares[worst]):.1f} % "
            f"right; it is wrong in {100 * of_wrong:.0f} % of the wrong answers.",
            "classes",
        )
    if share < 1:
        k = np.argmin(np.where(photos, f1, np.inf))
        text = f"{whole.values[k]}: F1 {f1[k]:.2f} on {counted(photos[k], 'photos')}."
        yield Finding("look", f"The weakest {whole.name} is {text}", "classes")
    without = ", ".join(np.array(whole.values)[photos == 0])
    if without:
        text = f"No photo to score is {without}: such a {whole.name} counts 0 in macro F1."
        yield Finding("act", text, "classes")
    gaps = whole.probabilities.max(axis=1) - (whole.probabilities.argmax(axis=1) == whole.truth)
    gap = mean_intervals(scored.units[known], {"gap": gaps})["gap"]
    if abs(gap.value) >= _DISHONEST and not gap.low <= 0 <= gap.high:
        sure, side = ("sure", "above") if gap.value > 0 else ("unsure", "below")
        yield Finding(
            "look",
            f"Answers are too {sure}: their mean probability is {100 * abs(gap.value):.1f} points "
            f"{side} the share that is right. tools/calibrate.py mends that.",
            "probabilities",
        )


def _low_slices(slices: Sequence[Slices], scored: Scored) -> list[Finding]:
    """Return the slices whose interval stays below the share of all photos, the lowest first.

    Of those with a chart: among many small ones some are low by chance.
    """
    if "accuracy" not in scored.scores:
        return []
    share = scored.scores["accuracy"].value
    low = [
        (row["accuracy"], row["accuracy_high"], each.by, row["slice"], row["photos"])
        for each in slices
        for _, row in each.scores.iterrows()
        if each.chart is not None and row["accuracy_high"] < share
    ]
    return [
        Finding(
            "look",
            f"{by.capitalize()} {name}: {100 * right:.1f} % right on {counted(photos, 'photos')}, "
            f"with the interval below the {100 * share:.1f} % of all.",
            "slices",
        )
        for right, _, by, name, photos in sorted(low)[:_MOST]
    ]


def _people(scored: Scored) -> Iterator[Finding]:
    if len(scored.disagreeing):
        who = f"{len(scored.disagreeing):,} of {scored.table['person'].nunique():,} people"
        text = "get different genders or ages in their photos, which cannot all be right."
        yield Finding("look", f"{who} {text}", "people")


def _against_label(facts: RunFacts) -> Iterator[Finding]:
    """Yield how many wrong answers agree with all photos most alike, against the label."""
    if facts.scored is None or facts.likeness is None:
        return
    rows, shares = facts.scored.worst, against_label(facts.scored, facts.likeness.alike)
    for part in facts.scored.parts:
        if part.name in shares:
            differ = part.wrong[rows] & (shares[part.name] == 1)
            if differ.any():
                yield Finding(
                    "look",
                    f"In {differ.sum():,} wrong answers on {part.name}, none of the photos most "
                    "alike has the label's: the label itself may be wrong.",
                    "mistakes",
                )


def _training(facts: RunFacts) -> Iterator[Finding]:
    for name, card in facts.cards.items():
        state, session = status(card), card["sessions"][-1]
        if state not in ("finished", "unknown"):
            run = f"The training of {name}" if name else "The training"
            verbs = {"running": "goes on", "failed": "failed", "diverged": "was stopped"}
            verb = verbs.get(state, f"was {state}")
            done = f"{session.get('epoch')} of {session.get('max_epochs')} epochs"
            error = f": {session['error']}" if session.get("error") else ""
            weight = "know" if state == "running" else "act"
            yield Finding(weight, f"{run} {verb} after {done}{error}.", "card")
    if len(facts.curves) == 1:
        (curves,) = facts.curves.values()
        epochs, best = curves.epochs, curves.best_epoch
        if best is not None and len(epochs) > 1 and best == epochs["epoch"].max():
            yield Finding(
                "know",
                f"The last epoch, {best}, was the best of {len(epochs)} validated, with macro F1 "
                f"{shown(epochs['macro_f1'].max(), 'score')}: more epochs may help.",
                "curves",
            )
