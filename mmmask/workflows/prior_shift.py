"""Correct predictions for other class shares than those of training, where evidence allows it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from mmmask.errors import InputError
from mmmask.evaluation.calibrated_tables import (
    CALIBRATED,
    check_alike,
    knowing,
    left_out_words,
    people_of,
    true_values,
    with_probabilities,
)
from mmmask.evaluation.decision import check_rule
from mmmask.evaluation.prior_shift.correction import CAUTION, Choice, Outcome, choose
from mmmask.evaluation.prior_shift.shares import FLOOR, Shares, with_margins
from mmmask.evaluation.prior_shift.shift import (
    RESAMPLES,
    Evidence,
    Shift,
    estimate_shift,
    known_shift,
    learn,
)
from mmmask.evaluation.prior_shift.simulation import Population
from mmmask.files import atomic_write
from mmmask.labels import ATTRIBUTES, NUM_CLASSES
from mmmask.ledger.config_differences import flat_text
from mmmask.ledger.provenance import checkpoint_hashes, configs, file_hash, made_now
from mmmask.reports.shift_report import plot_simulation
from mmmask.tables import (
    PREDICTIONS,
    SHARES,
    answers,
    attribute_of,
    probabilities,
    read_predictions,
    read_table,
    write_table,
)
from mmmask.workflows.score import aligned
from mmmask.workflows.submission import check_covered, check_outputs, write_submission

_SUM = (0.98, 1.02)  # of given shares, which may be rounded


def correct(
    predictions: str | Path,
    oof: str | Path,
    *,
    out: str | Path,
    prior: str | Path | None = None,
    decision: str = "macro-f1",
    submission: str | Path | None = None,
    data_root: str | Path = "data",
    shares: str | Path | None = None,
    caution: float = CAUTION,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Outcome:
    """Correct predictions for a prior shift and write them, or write them as they are.

    Where the predictions are the mean of those of the folds and these are still there, they take
    its place: a mean of models is less sure than each, and out-of-fold predictions are of one each.

    Args:
        predictions: Of the photos, by the model or models of ``oof``, combined as they are.
        oof: Out-of-fold predictions with labels.
        out: Where the predictions go (.parquet or .csv).
        prior: Table of the class shares of the photos, where they are known; None estimates them.
        decision: One of ``mmmask.evaluation.decision.RULES``.
        submission: Where a submission in info.csv's order goes.
        data_root: Folder that holds ``eval/info.csv``.
        shares: Where the estimated shares go (.csv or .parquet), in the form of ``prior``.
        caution: How many standard deviations of the expected gain it must outweigh; 0: none.
        resamples: Of out-of-fold people and of photos.
        seed: Of resampling.

    Raises:
        InputError: The tables do not fit together, are corrected already, or are not of the 18
            classes; ``oof`` is of other models; ``prior`` holds no shares.
    """
    _check_choice(decision, caution)
    check_outputs(out, shares, submission=submission, data_root=data_root)
    if prior is not None:
        _read_shares(prior)
    table = _read_joint(predictions)
    check_covered(submission, table, data_root)
    labelled, evidence = read_evidence(oof)
    check_models(labelled, oof, table, predictions)
    (models, notes), before = models_of(table), answers(table)
    left_out = left_out_words(labelled)
    if left_out is not None:
        notes += (f"{oof}: {left_out}",)
    if people_of(labelled) is None:
        notes += (f"{oof} tells no people: photos stand for people, intervals are too narrow",)
    with Console(stderr=True).status("estimating the class shares"):
        shift = estimate_shift(evidence, models, resamples=resamples, seed=seed)
        found = shift.table(before)
    if prior is not None:
        true = read_prior(prior, evidence.source)
        shift = known_shift(evidence, models, true, resamples=resamples, seed=seed)
    choice = choose(shift, before, decision, caution)
    if choice.corrects:
        table = with_probabilities(table, choice.probabilities)
        table = table if decision == "argmax" else table.assign(answer=choice.answers)
    provenance = {
        **table.attrs.get("provenance", {}),
        "corrected_from": {"path": str(predictions), "hash": file_hash(Path(predictions))},
        "out_of_fold": {"path": str(oof), "hash": file_hash(Path(oof))},
        "shift": {**_described(shift, choice), "prior": prior and str(prior), "seed": seed},
        **made_now(),
    }
    write_table(out, table, PREDICTIONS, provenance)
    table.attrs["provenance"] = provenance
    if shares is not None:
        write_table(shares, found, SHARES, provenance)
    if submission is not None:
        write_submission(submission, table, data_root)
    return Outcome(table, found, choice, notes)


def _check_choice(decision: str, caution: float) -> None:
    """Refuse an unknown rule of deciding, and a caution that is no number from 0."""
    check_rule(decision)
    if not 0 <= caution < np.inf:
        raise InputError(f"--caution must be a number from 0; got {caution:g}")


def _described(shift: Shift, choice: Choice) -> dict[str, Any]:
    """Return what the provenance of predictions says of their correction."""
    return {
        "corrected": choice.corrects,
        "reason": choice.reason,
        "decision": choice.rule,
        "caution": choice.caution,
        "expected_gain": choice.gain,
        "spread": choice.spread,
        "source": shift.evidence.source.tolist(),
        "shares": shift.shares.tolist(),
        "resamples": len(shift.draws),
    }


def simulate_shifts(
    oof: str | Path,
    out: str | Path,
    *,
    repeats: int,
    people: int = 200,
    decision: str = "macro-f1",
    caution: float = CAUTION,
    resamples: int = 30,
    seed: int = 0,
) -> pd.DataFrame:
    """Correct simulated shifts, by our estimate and by others, and write what each gains.

    Args:
        oof: Out-of-fold predictions with labels and people.
        out: Folder for ``simulated.csv``, one row per shift as
            :meth:`mmmask.evaluation.prior_shift.simulation.Population.simulate` describes it, and
            ``simulated.png``.
        repeats: How many shifts.
        people: In each test set.
        decision: As for :func:`correct`, like ``caution``.
        caution: Of the choice.
        resamples: For each estimate.
        seed: Of everything.

    Raises:
        InputError: The table has no labels or tells no people.
    """
    _check_choice(decision, caution)
    table = knowing(_read_joint(oof), oof)
    truth, person = true_values(table, oof), people_of(table)
    if person is None:
        raise InputError(f"{oof}: column person is needed to simulate shifts; got none")
    population = Population(probabilities(table), truth, pd.factorize(person)[0])
    numbers = track(
        range(repeats), "simulating shifts", console=Console(stderr=True), transient=True
    )
    simulated = pd.DataFrame(
        [
            population.simulate(
                population.draw(people, number, seed),
                decision,
                caution=caution,
                resamples=resamples,
                seed=number,
            )
            for number in numbers
        ]
    )
    with atomic_write(Path(out) / "simulated.csv") as partial:
        simulated.to_csv(partial, index=False, float_format="%.5f")
    plot_simulation(simulated, Path(out) / "simulated.png")
    return simulated


def read_evidence(oof: str | Path) -> tuple[pd.DataFrame, Evidence]:
    """Return predictions of the 18 classes of fully labelled photos, and what they teach."""
    table = knowing(_read_joint(oof), oof)
    truth, person = true_values(table, oof), people_of(table)
    if table.attrs.get("provenance", {}).get(CALIBRATED):
        raise InputError(f"{oof}: is calibrated already; give the predictions as they were made")
    unit = np.arange(len(table)) if person is None else person
    return table, learn(probabilities(table), truth, pd.factorize(unit)[0])


def read_prior(path: str | Path, source: Shares) -> Shares:
    """Return the 18 class shares that a table of shares states.

    Shares of classes are taken as they are; those of attributes move ``source`` so far that it
    has them.

    Raises:
        InputError: The values of a class or attribute are incomplete, unknown or given twice, or
            their shares are below 0 or do not sum to 1.
    """
    stated = _read_shares(path)
    return stated["class"] if "class" in stated else with_margins(source, stated)


def _read_shares(path: str | Path) -> dict[str, Shares]:
    """Return what a table of shares states, by what they are of: those of all values, in order."""
    stated = {}
    for of, part in read_table(path, SHARES).groupby("of", sort=False):
        allowed = list(ATTRIBUTES.get(str(of)) or map(str, range(NUM_CLASSES)))
        received = part["value"].tolist()
        if sorted(received) != sorted(allowed):
            raise InputError(
                f"{path}: values of {of} must be {', '.join(allowed)}, one each; "
                f"got {', '.join(received)}"
            )
        shares = part.set_index("value")["share"].loc[allowed].to_numpy(dtype=np.float64)
        if not _SUM[0] <= shares.sum() <= _SUM[1]:
            raise InputError(f"{path}: shares of {of} must sum to 1; got {shares.tolist()}")
        shares = np.maximum(shares, FLOOR)
        stated[str(of)] = shares / shares.sum()
    if not stated:
        raise InputError(f"{path}: holds no shares")
    return stated


def _read_joint(path: str | Path) -> pd.DataFrame:
    table = read_predictions(path)
    attribute = attribute_of(table)
    if attribute is not None:
        raise InputError(
            f"{path}: predicts {attribute} alone, and the 18 classes are needed; compose three "
            "predictions by tools/ensemble.py --compose"
        )
    return table


def models_of(table: pd.DataFrame) -> tuple[list[NDArray[np.float32]], tuple[str, ...]]:
    """Return the probabilities of the folds whose mean a table is, or its own; and notes."""
    stated, own = table.attrs.get("provenance", {}), [probabilities(table)]
    members = stated.get("members", [])
    if stated.get("split") == "oof":
        return own, ()
    combined = _combined(stated)
    if combined is not None:  # by weights, answers or products: no mean of its members
        parts = (*members, *stated.get("composed_of", ()))
        if not any((part.get("provenance") or {}).get("members") for part in parts):
            return own, ()
        return own, (
            f"the predictions are a {combined} of means of folds, and corrected as they are: a "
            "mean is less sure than the out-of-fold predictions are",
        )
    if len(members) < 2:
        return own, ()
    tables: dict[Path, pd.DataFrame] = {Path("mean"): table}
    for member in members:
        path = Path(member["path"])
        if not path.is_file() or file_hash(path) != member["hash"]:
            return own, (
                f"the predictions are a mean of {len(members)} models, and those of {path} are "
                "gone or changed: a mean is less sure than the out-of-fold predictions are",
            )
        tables[path] = read_predictions(path)
    fitting = list(aligned(tables).values())[1:]
    return [probabilities(one) for one in fitting], (
        f"the predictions of {len(members)} models are calibrated each, then averaged",
    )


def check_models(
    labelled: pd.DataFrame, oof: str | Path, table: pd.DataFrame, predictions: str | Path
) -> None:
    """Refuse out-of-fold predictions made otherwise or by other models, as far as told.

    Models are the same by their checkpoints, or by a config of the same network: that of a model
    of everybody, who is out of no fold.
    """
    check_alike(labelled.attrs.get("provenance", {}), oof, table, predictions)
    stated, others = (one.attrs.get("provenance", {}) for one in (table, labelled))
    ours, theirs = checkpoint_hashes(stated), checkpoint_hashes(others)
    if not (ours or _combined(stated)) or not (theirs or _combined(others)):
        return
    combined = _combined(stated)
    alike = not ours or not theirs or ours == theirs
    if not alike and combined is None:
        alike = bool(ours & theirs)
    if not alike:
        networks, likewise = (sorted(map(_network, configs(one))) for one in (stated, others))
        alike = bool(networks) and networks == likewise
    if combined != _combined(others) or not alike:
        raise InputError(
            f"{predictions}: is {_words(stated)}, and --oof {oof} is {_words(others)}; it must be "
            "of the same models, combined in the same way"
        )


def _network(config: str) -> str:
    """Return what a config says of the network, in an order of its own."""
    blocks = ("backbone", "features", "head", "neck", "preprocessing")
    said = {k: v for k, v in flat_text(config).items() if k.split(".")[0] in blocks}
    return repr(sorted(said.items()))


def _combined(stated: Mapping[str, Any]) -> str | None:
    """Return how tools/ensemble.py made a table of its members; None: it did not."""
    if "composed_of" in stated:
        return "product of attributes"
    return f"{stated['vote']} vote" if "vote" in stated else None


def _words(stated: Mapping[str, Any]) -> str:
    models, combined = len(checkpoint_hashes(stated)), _combined(stated)
    count = "1 model" if models == 1 else f"{models or 'unknown'} models"
    return f"of {count}" if combined is None else f"a {combined} of {count}"
