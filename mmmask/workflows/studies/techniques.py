"""What earns the score: many techniques on frozen features, each against its group's baseline.

Every technique has the same people and seeds as its baseline: a seed deals everybody into folds,
starts the heads and orders the photos, and all are predicted by heads that have not seen them. The
labels scored are always the competition's. ``OUT/fits`` keeps the predictions of each training
under a hash of all that decides them, so that a study that was stopped goes on.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from mmmask.blocks import plain
from mmmask.config import parse_options, with_flags
from mmmask.datasets.data_source import DataSource
from mmmask.datasets.layout import with_labels
from mmmask.datasets.mixture import mixture_of, with_mixture_weights
from mmmask.datasets.splits import folds_of
from mmmask.errors import InputError, first_line
from mmmask.evaluation.calibration import cross_calibrated
from mmmask.evaluation.decision import decide
from mmmask.evaluation.intervals import macro_f1_interval
from mmmask.evaluation.jackknife import Difference
from mmmask.evaluation.learning_curve import extrapolated
from mmmask.evaluation.scores import macro_f1
from mmmask.files import atomic_write, write_csv
from mmmask.labels import ATTRIBUTES
from mmmask.ledger.provenance import fingerprint, text_hash
from mmmask.reports.technique_report import plot_techniques, print_techniques
from mmmask.shipped import find_config
from mmmask.workflows.linear_probe import FEATURES, dataset_of
from mmmask.workflows.studies.commands import Study
from mmmask.workflows.studies.technique_data import (
    FeatureFiles,
    ensure_files,
    learned_from,
    open_files,
)
from mmmask.workflows.studies.technique_heads import trained
from mmmask.workflows.studies.technique_scores import MACRO, Known, by_attribute, known_values
from mmmask.workflows.studies.technique_space import (
    TOLD,
    Group,
    Technique,
    Techniques,
    read_techniques,
)

if TYPE_CHECKING:
    from mmengine.config import Config

#: Parts of a technique that come after the training: fits do not depend on them.
_AFTER = ("calibration", "decision")
_COLUMNS = (*("image", "person", "label", "fits", "age", "age_from", "age_to", "weight", "source"),)
#: What of the config decides features and labels.
_OPTIONS = (
    "data", "head", "backbone", "neck", "features", "preprocessing", "pretrained",
    "train_dataloader",
)  # fmt: skip
#: The seeds deal the people into folds, and each fold is held out.
_DEALT = ("data.fold", "data.split_seed")
#: The list of techniques, of those that come with mmmask, whose heads do without a source each.
SOURCES = "sources"
#: How many times the people a learning curve is followed to: as many as there are without a
#: validation in 5 folds, and far more.
FURTHER = (1.25, 10.0)


@dataclass(frozen=True, kw_only=True)
class TechniqueStudy(Study):
    """What is compared, on which features."""

    config: Path  # path of a config of a linear probe
    techniques: Path  # file of techniques, see :mod:`technique_space`
    leave_source_out: bool = False  # a technique without each source, in each of its groups
    features: Path  # file of features of the config, made where missing or stale
    seeds: Sequence[int]
    jobs: int = 1  # processes that train

    def load(self, config: str | None, options: Mapping[str, Any]) -> "Config":
        """Return a config with options, checked; None is the study's own, with its weights."""
        import mmmask.register  # noqa: F401
        from mmmask.engine.runner_config import load_checked

        given = parse_options(self.options) if config is None else {}
        for name in given:
            if name in _DEALT or name.split(".")[0] not in _OPTIONS:
                raise InputError(
                    f"--cfg-options {name} has no effect on techniques, whose file says how heads "
                    f"are trained; what has one is {', '.join(_OPTIONS)}"
                )
        if config is None and self.pretrained is not None:
            given = with_flags(
                given, {"pretrained": (f"--pretrained {self.pretrained}", self.pretrained)}
            )
        path = self.config if config is None else find_config(config)
        options = deepcopy({**given, **options})  # MMEngine takes `_delete_` out of them
        return load_checked(path, options, data_root=self.data_root, pack=self.pack)


class Recipe(NamedTuple):
    """All that decides the trainings of a technique."""

    technique: Technique
    head: Mapping[str, Any]  # its config
    samples: pd.DataFrame  # of all people, as the config labels them
    mixture: Mapping[str, float] | None  # weight of each of their sources; None: as they are
    old_from: int
    folds: int
    key: str  # hash of the rest, and of the features


class Fits(NamedTuple):
    """The predictions of everybody out of fold by the heads of one recipe, one of each seed."""

    probabilities: list[NDArray[np.float32]]  # of each seed, (N, 18)
    seconds: float  # that all of them took


def run_techniques(
    configs: Sequence[Path],
    techniques: str | None,
    features: Path | None,
    jobs: int | None,
    *,
    out: Path,
    leave_source_out: bool = False,
    **shared: Any,
) -> None:
    """Study techniques, print the table, and write it and its plot to ``out``.

    Args:
        configs: The baseline's config alone.
        techniques: File of techniques.
        features: File of features of the config; None: in ``out``.
        jobs: Processes that train; None: 1.
        leave_source_out: Whether each group of the file has a technique without each source; the
            file may then be None, for the heads of ``SOURCES``.
        out: Folder of all that is written.
        **shared: Other fields of :class:`TechniqueStudy`.

    Raises:
        InputError: As :func:`study_techniques`; or the arguments do not go together.
    """
    if leave_source_out and techniques is None:
        techniques = SOURCES
    if techniques is None:
        raise InputError("--features and --jobs are for a study of --techniques; got none")
    if len(configs) > 1:
        raise InputError(f"--techniques replaces the variants; leave out {configs[1]}")
    if jobs is not None and jobs < 1:
        raise InputError(f"--jobs must be at least 1; got {jobs}")
    study = TechniqueStudy(
        config=configs[0],
        techniques=Path(techniques),
        features=features or out / FEATURES,
        out=out,
        jobs=jobs or 1,
        leave_source_out=leave_source_out,
        **shared,
    )
    table = study_techniques(study)
    print_techniques(table)
    write_csv(out / "techniques.csv", table)
    plot_techniques(table, out / "techniques.png")
    print(f"table and plot: {(out / 'techniques.csv').resolve()}, techniques.png")


def study_techniques(study: TechniqueStudy) -> pd.DataFrame:
    """Train all techniques on other people than they predict, and return a row for each.

    Columns: ``group``, ``baseline``, ``technique``, ``claim``, ``expected``; ``people``,
    ``seeds``; ``baseline_macro_f1`` and ``macro_f1`` with its 95 % interval; ``difference``, paired
    over people and seeds, with its interval and the ``detectable`` one, ``by_seed``; ``verdict``
    (see :func:`verdict`), for each attribute macro F1 over its values, such as ``age_f1``, with
    ``age_difference`` from ``age_low`` to ``age_high``, and ``seconds`` of all its fits. Scores are
    over the photos of which the class, or the attribute, is known. A group in which ``people``
    differ ends with the score that its curve promises of more people.

    Raises:
        InputError: The file of techniques, the config, or the features are at fault.
        DivergedError: A training diverges.
    """
    cfg = study.load(None, {})
    truth = with_labels(DataSource.of(cfg).train())
    if truth["label"].isna().all():
        raise InputError("techniques are scored by photos of which all is known; got none")
    space = read_techniques(study.techniques, sources_of(truth) if study.leave_source_out else ())
    paths = ensure_files(study.load, space, study.features, study.out / "features")
    files = open_files(paths, space)
    recipes = {}
    every = [one for group in space.groups for one in (group.baseline, *group.techniques)]
    for technique in track(every, "reading labels", console=Console(stderr=True)):
        recipes[id(technique)] = recipe_of(study, technique, files)
    _train(study, list({one.key: one for one in recipes.values()}.values()), truth, paths, space)
    rows = []
    for group in space.groups:
        rows += compare_group(study, group, recipes, truth)
    return pd.DataFrame(rows)


def sources_of(samples: pd.DataFrame) -> list[str]:
    """Return the names of the data sets that heads can do without; tell of those they cannot.

    Raises:
        InputError: There is none: the photos are of one, or each alone knows some attribute.
    """
    names = sorted(samples["source"].dropna().unique()) if "source" in samples else []
    found = []
    for name in names if len(names) > 1 else ():
        rest = samples[samples["source"].ne(name).fillna(True)]
        known = known_values(rest)
        missing = [attribute for attribute in ATTRIBUTES if attribute not in known]
        if missing:
            print(f"{name} is not left out: no other source has a known {' or '.join(missing)}")
        else:
            found.append(name)
    if not found:
        raise InputError(
            "--leave-source-out needs photos of two sources or more (column source) with the "
            f"same known attributes; got {', '.join(names) or 'none'}"
        )
    return found


def recipe_of(study: TechniqueStudy, technique: Technique, files: FeatureFiles) -> Recipe:
    """Return what decides the trainings of a technique; an InputError if its config is wrong."""
    cfg = study.load(None, technique.config)
    dataset = dataset_of(cfg, "train", "all")
    samples, mixture = dataset.samples, mixture_of(dataset)
    if mixture is not None:
        if technique.sampler is not None:
            raise InputError(
                f"{technique.name!r}: a sampler draws photos as often as its own rule says; leave "
                "it out, or the weights of data.table"
            )
        left_out = technique.without_source
        mixture = {name: weight for name, weight in mixture.items() if name != left_out}
    head, old_from = plain(cfg.model.head), int(cfg.data.get("old_from", 60))
    names = technique.files
    told = {key: value for key, value in asdict(technique).items() if key not in (*TOLD, *_AFTER)}
    facts = {
        **{key: value for key, value in told.items() if key not in ("config", "training")},
        "schedule": asdict(technique.schedule),
        "head": {key: value for key, value in head.items() if key != "in_channels"},
        "digests": files.digests(names),
        "samples": fingerprint(samples, _COLUMNS),
        "mixture": mixture,
        "old_from": old_from,
        "folds": cfg.data.folds,
    }
    key = text_hash(json.dumps(facts, sort_keys=True, default=str))[:16]
    return Recipe(technique, head, samples, mixture, old_from, cfg.data.folds, key)


def fit(recipe: Recipe, files: FeatureFiles, truth: pd.DataFrame, seed: int) -> NDArray[np.float32]:
    """Return the probabilities of everybody by heads that have not seen them, (N, 18)."""
    fold = folds_of(truth, folds=recipe.folds, seed=seed)
    fold_of = dict(zip(truth["person"], fold, strict=True))
    technique, samples = recipe.technique, recipe.samples
    of_samples = samples["person"].map(fold_of)  # further samples are in no fold
    images = truth["image"].to_numpy()
    views: list[Sequence[str]] = [[view] for view in technique.test_views] or [technique.features]
    result = np.zeros((len(truth), 18), np.float32)
    known = {*images, *samples["image"]}
    unlabelled = [image for image in files.photos("") if image not in known]
    if technique.pseudo_labels is not None and not unlabelled:
        raise InputError("pseudo_labels need the features of photos of eval/; got none")
    for one in range(recipe.folds):
        learned = learned_from(
            technique,
            samples[of_samples.ne(one).to_numpy()].reset_index(drop=True),
            seed=1000 * seed + one,
            old_from=recipe.old_from,
            fit=partial(_first_head, recipe, files, seed),
            unlabelled=unlabelled,
        )
        learned = with_mixture_weights(learned, recipe.mixture)
        head = trained(technique, recipe.head, files, learned, seed)
        held_out = (fold == one).to_numpy()
        for view in views:
            result[held_out] += head(files.of(view, images[held_out])) / len(views)
    return result


def _first_head(
    recipe: Recipe, files: FeatureFiles, seed: int, learned: pd.DataFrame, images: Sequence[str]
) -> NDArray[np.float32]:
    learned = with_mixture_weights(learned, recipe.mixture)
    head = trained(recipe.technique, recipe.head, files, learned, seed)
    return head(files.of(recipe.technique.features, images))


def _train(
    study: TechniqueStudy,
    recipes: Sequence[Recipe],
    truth: pd.DataFrame,
    paths: Mapping[str, Path],
    space: Techniques,
) -> None:
    """Write the predictions that are not there yet, of each recipe and seed."""
    missing = [
        (recipe, seed, path)
        for recipe in recipes
        for seed in study.seeds
        if not (path := _path(study, recipe, seed)).exists()
    ]
    if not missing:
        return
    shared = (paths, space, truth)
    bar = partial(track, description="training", total=len(missing), console=Console(stderr=True))
    if study.jobs == 1:
        _start(*shared)
        for _ in bar(map(_write, missing)):
            pass
        return
    context = get_context("spawn")  # torch's threads do not survive a fork
    with ProcessPoolExecutor(study.jobs, context, _start, shared) as pool:
        for _ in bar(pool.map(_write, missing)):
            pass


_shared: tuple[FeatureFiles, pd.DataFrame]


def _start(paths: Mapping[str, Path], space: Techniques, truth: pd.DataFrame) -> None:
    """Give a process what all its trainings share."""
    global _shared
    _shared = open_files(paths, space), truth


def _write(task: tuple[Recipe, int, Path]) -> None:
    recipe, seed, path = task
    begun = time.perf_counter()
    probabilities = fit(recipe, *_shared, seed)
    seconds = time.perf_counter() - begun
    with atomic_write(path) as partial_file:
        np.savez(partial_file, probabilities=probabilities, seconds=seconds)


def _path(study: TechniqueStudy, recipe: Recipe, seed: int) -> Path:
    return study.out / "fits" / f"{recipe.key}_{seed}.npz"


def _read(study: TechniqueStudy, recipe: Recipe) -> Fits:
    stored = [_stored(_path(study, recipe, seed)) for seed in study.seeds]
    return Fits([one for one, _ in stored], sum(seconds for _, seconds in stored))


def _stored(path: Path) -> tuple[NDArray[np.float32], float]:
    try:
        with np.load(path) as content:  # compares the sums of the archive
            return content["probabilities"], float(content["seconds"])
    except (BadZipFile, LookupError, OSError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: damaged ({first_line(error)}); delete this file, and it is fitted anew"
        ) from error


def answers(
    recipe: Recipe, probabilities: NDArray[np.float32], truth: pd.DataFrame, seed: int
) -> NDArray[np.int64]:
    """Return the answers by a technique's calibration and decision: (N, 18) -> (N,)."""
    technique = recipe.technique
    if technique.calibration is not None:
        if truth["label"].isna().any():
            raise InputError(
                f"{technique.name!r}: calibration needs the label of each photo; some have none"
            )
        probabilities = cross_calibrated(
            probabilities,
            truth["label"].to_numpy(dtype=np.int64),
            folds_of(truth, folds=recipe.folds, seed=seed).to_numpy(dtype=np.int64),
            technique.calibration,
            person=truth["person"].to_numpy(),
        )
    return decide(probabilities, technique.decision)


def compare_group(
    study: TechniqueStudy, group: Group, recipes: Mapping[int, Recipe], truth: pd.DataFrame
) -> list[dict[str, Any]]:
    """Return the rows of a group, see :func:`study_techniques`."""
    everything = known_values(truth)
    whole = everything[MACRO]
    predicted, seconds = {}, {}
    for one in (group.baseline, *group.techniques):
        recipe = recipes[id(one)]
        fits = _read(study, recipe)
        predicted[one.name] = [
            answers(recipe, probabilities, truth, seed)
            for probabilities, seed in zip(fits.probabilities, study.seeds, strict=True)
        ]
        seconds[one.name] = fits.seconds
    base = predicted[group.baseline.name]
    score = macro_f1_interval(whole.person, whole.values, whole.of(base))
    shared = {
        "group": group.name,
        "baseline": group.baseline.name,
        "people": len(set(whole.person)),
        "seeds": len(study.seeds),
        "baseline_macro_f1": score.value,
    }
    rows = []
    for one in group.techniques:
        found = predicted[one.name]
        difference = whole.difference(found, base)
        own = macro_f1_interval(whole.person, whole.values, whole.of(found))
        pairs = zip(whole.of(found), whole.of(base), strict=True)
        by_seed = [macro_f1(whole.values, new) - macro_f1(whole.values, old) for new, old in pairs]
        several = len(study.seeds) > 1
        rows.append(
            {
                **shared,
                "technique": one.name,
                "claim": one.claim,
                "expected": one.expects or "",
                "macro_f1": own.value,
                "macro_f1_low": own.low,
                "macro_f1_high": own.high,
                "difference": difference.value,
                "low": difference.low,
                "high": difference.high,
                "detectable": difference.detectable if several else np.nan,
                "by_seed": " ".join(f"{value:+.4f}" for value in by_seed),
                "verdict": verdict(difference, one.expects) if several else "not shown",
                **by_attribute(everything, found, base),
                "seconds": round(seconds[one.name], 1),
            }
        )
    further = _further(group, predicted, whole)
    return rows + [{**shared, **row} for row in further]


def verdict(difference: Difference, expects: str | None) -> str:
    """Return ``not shown``, or whether a claim is ``confirmed`` or ``refuted``; else ``shown``."""
    if not difference.shown:
        return "not shown"
    if expects is None:
        return "shown"
    return "confirmed" if (difference.value > 0) == (expects == "better") else "refuted"


def _further(
    group: Group,
    predicted: Mapping[str, Sequence[NDArray[np.int64]]],
    known: Known,
) -> Iterator[dict[str, Any]]:
    """Yield what the learning curve of a group promises, if its techniques make one."""
    alike = [
        one
        for one in (*group.techniques, group.baseline)
        if replace(one, name="", claim="", expects=None, people=1.0)
        == replace(group.baseline, name="", claim="", expects=None)
    ]
    curve = {
        one.people: known.of(predicted[one.name]) for one in sorted(alike, key=lambda o: o.people)
    }
    if len(curve) < 4:  # a curve has three parameters
        return
    for times in FURTHER:
        score, gain = extrapolated(known.person, known.values, [*curve.values()], [*curve], times)
        yield {
            "technique": f"{times:g} times the people",
            "claim": "extrapolated by a - b n^-c through the shares of people above",
            "expected": "",
            "macro_f1": score.value,
            "macro_f1_low": score.low,
            "macro_f1_high": score.high,
            "difference": gain.value,
            "low": gain.low,
            "high": gain.high,
            "verdict": "extrapolated",
        }
