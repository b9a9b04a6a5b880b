"""The sentences on what stands out in a run."""

from collections.abc import Sequence

import numpy as np

from mmmask.evaluation.scores import confusion, f1_per_class
from mmmask.ledger.cards import status
from mmmask.reports.pages.parts import Finding, shown
from mmmask.reports.pages.run_charts import Slices
from mmmask.reports.pages.run_facts import RunFacts, Scored

#: Slices that are named at most.
_MOST = 3
#: From this mean difference of probability and share of right answers on, a finding.
_DISHONEST = 0.05


def find(facts: RunFacts, slices: Sequence[Slices]) -> list[Finding]:
    """Return what stands out, what to act on first."""
    found = [Finding("act", sentence, "card") for sentence in facts.missing]
    if facts.learned is not None:
        found.insert(0, Finding("act", f"This model was {facts.learned}.", "card"))
    if facts.scored is not None:
        found += _answers(facts.scored, slices)
    found += _training(facts)
    weights = ("act", "look", "know")
    return sorted(found, key=lambda finding: weights.index(finding.weight))


def _answers(scored: Scored, slices: Sequence[Slices]) -> list[Finding]:
    whole, found = scored.whole, []
    share = scored.right.mean()
    counts = confusion(whole.truth, whole.predicted, len(whole.values))
    f1, photos = f1_per_class(counts), counts.sum(axis=1)
    if len(scored.parts) > 1:
        worst = min(scored.parts[1:], key=lambda part: (part.truth == part.predicted).mean())
        right = (worst.truth == worst.predicted).mean()
        of_wrong = (worst.truth != worst.predicted)[~scored.right].mean() if share < 1 else 0.0
        found.append(
            Finding(
                "know",
                f"Of the attributes {worst.name} is the weakest, {right:.1%} right; it is wrong in "
                f"{of_wrong:.0%} of the wrong answers.",
                "classes",
            )
        )
    with_photos = np.flatnonzero(photos)
    k = with_photos[np.argmin(f1[with_photos])]
    if share < 1:
        found.append(
            Finding(
                "look",
                f"The weakest {whole.name} is {whole.values[k]}: F1 {f1[k]:.2f} on {photos[k]:,} "
                "photos.",
                "classes",
            )
        )
    without = [name for name, n in zip(whole.values, photos, strict=True) if not n]
    if without:
        found.append(
            Finding(
                "act",
                f"No photo to score is {', '.join(without)}: such a {whole.name} counts 0 in macro "
                "F1.",
                "classes",
            )
        )
    gap = float(scored.whole.probabilities.max(axis=1).mean()) - float(
        (whole.probabilities.argmax(axis=1) == whole.truth).mean()
    )
    if abs(gap) >= _DISHONEST:
        found.append(
            Finding(
                "look",
                f"Answers are too {'sure' if gap > 0 else 'unsure'}: their mean probability is "
                f"{abs(gap):.1%} {'above' if gap > 0 else 'below'} the share that is right. "
                "tools/calibrate.py mends that.",
                "probabilities",
            )
        )
    found += _low_slices(slices, share)
    if len(scored.disagreeing):
        people = scored.table["person"].nunique()
        found.append(
            Finding(
                "look",
                f"{len(scored.disagreeing):,} of {people:,} people get different genders or ages "
                "in their photos, which cannot all be right.",
                "people",
            )
        )
    return found


def _low_slices(slices: Sequence[Slices], share: float) -> list[Finding]:
    """Return the slices whose interval stays below the share of all photos, the lowest first.

    Of those that are drawn: among many small ones some are low by chance.
    """
    low = [
        (row["accuracy"], row["accuracy_high"], each.by, row["slice"], row["photos"])
        for each in slices
        for _, row in each.scores.iterrows()
        if each.chart is not None and row["accuracy_high"] < share
    ]
    return [
        Finding(
            "look",
            f"{by.capitalize()} {name}: {right:.1%} right on {photos:,} photos, with the interval "
            f"below the {share:.1%} of all.",
            "slices",
        )
        for right, _, by, name, photos in sorted(low)[:_MOST]
    ]


def _training(facts: RunFacts) -> list[Finding]:
    found = []
    for name, card in facts.cards.items():
        state = status(card)
        if state not in ("finished", "unknown"):
            session = card["sessions"][-1]
            run = f"The training{' of ' + name if name else ''}"
            error = f": {session['error']}" if session.get("error") else ""
            done = f"{session.get('epoch')} of {session.get('max_epochs')} epochs"
            verb = {"running": "goes on", "failed": "failed"}.get(state, f"was {state}")
            weight = "know" if state == "running" else "act"
            found.append(Finding(weight, f"{run} {verb} after {done}{error}.", "card"))
    if len(facts.curves) == 1:
        (curves,) = facts.curves.values()
        epochs = curves.epochs
        best = curves.best_epoch
        if best is not None and len(epochs) > 1 and best == epochs["epoch"].max():
            score = shown(epochs["macro_f1"].max(), "score")
            found.append(
                Finding(
                    "know",
                    f"The last epoch, {best}, was the best of {len(epochs)} validated, with macro "
                    f"F1 {score}: more epochs may help.",
                    "curves",
                )
            )
    return found
