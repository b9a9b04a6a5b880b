"""Was the epoch of a model chosen by the people it is scored on, and by how much does it flatter?

The highest of many scores is partly the luckiest. ``best_*.pth`` is the epoch that the people held
out preferred, so their score of it is too high; that of other people is not.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from mmmask.errors import InputError
from mmmask.evaluation.selection import flattery
from mmmask.ledger.cards import best, read_card
from mmmask.ledger.epoch_answers import EpochAnswers

#: Where a provenance says it: the metric that it was chosen ``by``; of how many ``epochs``, for
#: each run whose people chose; the ``flattery`` of macro F1. None is what is unknown, and, in place
#: of all this, that these people have not chosen.
CHOSEN = "chosen"
#: The metric whose choice is judged.
_SCORE = "macro_f1"
#: Splits of people held out, who choose the best epochs.
_CHOOSING = ("val", "oof")


def chosen_by(meta: Mapping[str, Any], checkpoint: Path) -> str | None:
    """Return the metric by which an epoch became the best of a run; None: it was not chosen.

    ``meta`` is that of the checkpoint; of one that does not say, the name of its file tells.
    """
    named = re.match(r"best_(.+?)(_epoch_\d+)?$", checkpoint.stem)
    return meta.get("chosen_by") or (named[1] if named else None)


def chosen_epoch(
    content: Mapping[str, Any], checkpoint: Path, samples: pd.DataFrame
) -> dict[str, Any] | None:
    """Return what :data:`CHOSEN` says of predictions of the people whom a run holds out.

    The figures are those of the run beside the checkpoint, where its card and the answers of its
    epochs are there and tell of this very checkpoint.

    Args:
        content: The checkpoint, loaded.
        checkpoint: Its file.
        samples: The photos that are predicted, with the column ``image``.
    """
    meta = content.get("meta") or {}
    by = chosen_by(meta, checkpoint)
    if by is None:
        return None
    choice: dict[str, Any] = {"by": by, "epochs": [None], "flattery": None}
    card = _card(checkpoint.parent)
    scored = {one["epoch"]: one[by] for one in card.get("validations", []) if by in one}
    info = (content.get("message_hub") or {}).get("runtime_info") or {}
    if not _same(scored.get(meta.get("epoch")), info.get("best_score")):
        return choice  # the card of another run, or none
    if len(scored) == 1:
        return None
    choice["epochs"] = [len(scored)]
    answers = answers_of(checkpoint.parent)
    if answers is not None:
        theirs = answers.table["image"].isin(samples["image"])
        if not theirs.any():
            return None  # predicted are other people
        if by == _SCORE and theirs.all() and (best(card) or {}).get("epoch") == meta["epoch"]:
            choice["flattery"] = flattery([answers.counts])
    return choice


def chosen_in_folds(stated: Mapping[Path, Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return what :data:`CHOSEN` says of the predictions out of fold.

    ``stated`` is work directory of a fold -> provenance of its predictions.
    """
    choices = [choice for each in stated.values() for choice in _choices(each) if choice]
    if not choices:
        return None
    found = None
    if all(choice["flattery"] is not None for choice in choices):
        answers = [each for each in map(answers_of, stated) if each is not None]
        if len(answers) == len(stated):
            found = flattery([each.counts for each in answers])
    epochs = [number for choice in choices for number in choice["epochs"]]
    return {"by": choices[0]["by"], "epochs": epochs, "flattery": found}


def flattery_of(run: Path) -> float | None:
    """Return by how much the best macro F1 on a run's card flatters; None: it cannot be told."""
    answers = answers_of(run)
    return None if answers is None else flattery([answers.counts])


def answers_of(run: Path) -> EpochAnswers | None:
    """Return the answers of all epochs that the card of a run scores; None: they are not there."""
    validations = _card(run).get("validations", [])
    scored = {one["epoch"]: one[_SCORE] for one in validations if _SCORE in one}
    with suppress(InputError):  # a damaged file tells nothing
        answers = EpochAnswers.read(run)
        if answers is not None and scored:
            answers = answers.until(max(scored))  # a run under way may be one ahead of its card
            if answers.epochs == list(scored) and all(
                _same(one, scored[epoch]) for epoch, one in answers.scores.items()
            ):
                return answers
    return None


def chosen_by_people(provenance: Mapping[str, Any]) -> str | None:
    """Return a sentence on a score by people who chose epochs of the model; None: they did not."""
    if provenance.get("split") not in _CHOOSING:
        return None
    models = list(_choices(provenance))
    choices = [choice for choice in models if choice]
    if not choices:
        return None
    epochs = [number for choice in choices for number in choice["epochs"]]
    if len(models) > 1:
        which = f"the epochs of {len(choices)} of {len(models)} models were"
    else:
        which = "the epoch of each fold was" if len(epochs) > 1 else "its epoch was"
    known = sorted({number for number in epochs if number is not None})
    among = f" of {' to '.join(map(str, dict.fromkeys((known[0], known[-1]))))}" if known else ""
    metrics = sorted({choice["by"] for choice in choices} - {_SCORE})
    by = f" in {' and '.join(metrics)}" if metrics else ""
    flattered = choices[0]["flattery"] if len(models) == 1 else None
    return (
        f"{which} chosen as the best{among}{by} by these very people: on others "
        f"{_expect(flattered)}"
    )


def _expect(flattered: float | None) -> str:
    if flattered is None:
        return "expect a lower macro F1; how much lower is unknown"
    if flattered < 0.0005:
        return "expect about the same macro F1"
    return f"expect a macro F1 about {flattered:.3f} lower"


def _choices(part: Mapping[str, Any]) -> Iterator[dict[str, Any] | None]:
    """Yield :data:`CHOSEN` of a table or, where it does not say, of each that it is made of.

    Of a table of an older version, the names of the checkpoints tell.
    """
    if CHOSEN in part:
        yield part[CHOSEN]
        return
    members = [*(part.get("members") or ()), *(part.get("composed_of") or ())]
    for member in members:
        yield from _choices({**member, **(member.get("provenance") or {})})
    if not members:
        by = chosen_by({}, Path(part.get("checkpoint") or ""))
        chosen = by is not None and part.get("split", "val") in _CHOOSING
        yield {"by": by, "epochs": [None], "flattery": None} if chosen else None


def _card(run: Path) -> dict[str, Any]:
    """Return the card of a run, empty where none can be read."""
    with suppress(InputError):
        return read_card(run)
    return {}


def _same(one: float | None, other: float | None) -> bool:
    return one is not None and other is not None and abs(one - other) < 1e-9
