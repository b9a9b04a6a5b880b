"""Run a trained checkpoint over photos, and refuse one that does not belong to the config."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pandas as pd

from mmmask.blocks import compose, plain
from mmmask.datasets.face_boxes import preprocessing_facts
from mmmask.errors import InputError, WriteError
from mmmask.files import check_folder
from mmmask.labels import Cuts, move_cut
from mmmask.tables import prediction_columns, predictions_table
from mmmask.workflows.train import build_runner

if TYPE_CHECKING:
    import numpy as np
    from mmengine.config import Config
    from numpy.typing import NDArray
    from torch import nn

#: Hooks that a test needs; the others belong to training.
TEST_HOOKS = ("runtime_info", "timer", "logger", "progress", "channels_last")


@dataclass(frozen=True)
class Tested:
    """What a model says of photos."""

    samples: pd.DataFrame  # the photos
    probabilities: "NDArray[np.float32]"  # (N, 18), or (N, C) of a model of one attribute
    years: "NDArray[np.float32] | None"  # (N, 121) probabilities of ages, of a model of years
    attribute: str | None  # the attribute that the model predicts alone, if it does

    def table(self, cuts: Cuts) -> pd.DataFrame:
        """Return the predictions table; the age groups of a model of years have these cuts."""
        probabilities = self.probabilities
        if self.years is not None:
            probabilities = move_cut(probabilities, self.years, after=cuts)
        columns, _ = prediction_columns(self.attribute)
        there = self.samples.notna()
        known = [name for name in columns if name in there and there[name].all()]
        if "fold" in known:  # only of predictions out of fold, which are those of several models
            known.remove("fold")
        # What may be known of some photos alone; ``fits`` tells what a missing label may be, and of
        # all photos where none has a label.
        if "fits" in there:
            known += [name for name in ("label", "fits") if name not in known]
        if "age" in there and there["age"].any() and "age" not in known:
            known.append("age")
        if "source" in known and self.samples["source"].nunique() == 1:
            known.remove("source")
        return predictions_table(
            self.samples[known], probabilities, self.years, attribute=self.attribute
        )


def run_test(
    cfg: "Config",  # composed
    content: Mapping[str, Any],  # the checkpoint, loaded
    checkpoint: Path,
    launcher: str = "none",  # or ``pytorch`` (torchrun)
    *,
    dataset: Mapping[str, Any] | None = None,  # in place of the config's, with its pipeline
    fits: "Callable[[nn.Module], None] | None" = None,  # gets the head; raises if it does not fit
) -> Tested | None:
    """Predict photos with the weights of a checkpoint; None on all processes but the main one.

    Raises:
        InputError: The checkpoint is of another model, or its outputs are not finite numbers.
    """
    from mmmask.engine.distributed import stop_distributed

    with _log_in_folder(cfg, checkpoint):
        tested = _tested(cfg, content, checkpoint, launcher, dataset, fits)
    if launcher != "none":
        stop_distributed()  # the Runner is gone
    return tested


def _tested(
    cfg: "Config",
    content: Mapping[str, Any],
    checkpoint: Path,
    launcher: str,
    dataset: Mapping[str, Any] | None,
    fits: "Callable[[nn.Module], None] | None",
) -> Tested | None:
    from mmengine.dist import is_main_process

    from mmmask.engine.unwrap import classifier_of
    from mmmask.evaluation.metric import MaskFaceMetric

    cfg = prepare_test(cfg)
    if dataset is not None:
        steps = cfg.test_dataloader.dataset.pipeline
        cfg.test_dataloader.dataset = {**dataset, "pipeline": steps}
    runner = build_runner(cfg, launcher)
    load_weights(runner.model, content, checkpoint)
    head = classifier_of(runner.model).head
    if fits is not None:
        fits(head)
    metric = next(one for one in runner.test_evaluator.metrics if isinstance(one, MaskFaceMetric))
    metric.model = str(checkpoint)
    runner.test()
    if not is_main_process():
        return None
    assert metric.predictions is not None, "this process has gathered them"
    rows, probabilities = metric.predictions
    samples = runner.test_dataloader.dataset.samples.iloc[rows].reset_index(drop=True)
    return Tested(samples, probabilities, metric.years, getattr(head, "attribute", None))


def run_plain_test(
    cfg: "Config", content: Mapping[str, Any], checkpoint: Path, launcher: str, *, tta: bool
) -> None:
    """Test a config of MMPretrain's own kind, as its command line does; scores go to the log.

    With ``tta``, without a ``tta_model`` or ``tta_pipeline`` of the config: the mean over the photo
    and its mirror image.
    """
    from mmmask.engine.distributed import stop_distributed

    cfg.load_from, cfg.resume = None, False
    if tta:
        steps = cfg.test_dataloader.dataset.pipeline
        flips = [{"type": "RandomFlip", "prob": prob} for prob in (1.0, 0.0)]
        views = {"type": "TestTimeAug", "transforms": [flips, [steps[-1]]]}
        model = cfg.get("tta_model") or {"type": "AverageClsScoreTTA"}
        cfg.model = {**model, "module": cfg.model}
        cfg.test_dataloader.dataset.pipeline = cfg.get("tta_pipeline") or [*steps[:-1], views]
    with _log_in_folder(cfg, checkpoint):
        runner = build_runner(cfg, launcher)
        load_weights(runner.model, content, checkpoint)
        runner.test()
    if launcher != "none":
        del runner
        stop_distributed()


@contextmanager
def _log_in_folder(cfg: "Config", checkpoint: Path) -> Iterator[None]:
    """Let the log of a test lie beside its checkpoint; none stays where that is refused."""
    folder = checkpoint.parent / "test"
    cfg.work_dir = str(folder)
    try:
        check_folder(folder)
    except WriteError as error:  # a folder of somebody else
        print(f"warning: no log of the test is kept: {error}", file=sys.stderr)
        with TemporaryDirectory() as cfg.work_dir:
            yield
        cfg.work_dir = str(folder)  # predictions state the config
    else:
        yield


def check_same(
    cfg: "Config",
    meta: Mapping[str, Any],
    block: str,
    checkpoint: Path,
    *,
    keys: Sequence[str] | None = None,
) -> None:
    """Refuse to test with another block of the config, or keys of it, than was trained with."""
    if block not in meta:
        raise InputError(
            f"{checkpoint}: not a checkpoint of a run of mmmask: it lacks the block {block}"
        )
    trained, now = plain(meta[block]), plain(cfg[block])
    if block == "preprocessing":
        # As the checkpoint has it: face boxes by their content.
        now = preprocessing_facts(cfg)
    keys = keys or sorted({*trained, *now})
    different = [key for key in keys if trained.get(key) != now.get(key)]
    if different:
        raise InputError(
            f"{checkpoint}: trained with another {block} than {cfg.filename}: "
            + "; ".join(f"{key} was {trained.get(key)}, is {now.get(key)}" for key in different)
            + f"; the run's own config is {checkpoint.parent}/*.py"
        )


def load_weights(model: "nn.Module", content: Mapping[str, Any], checkpoint: Path) -> None:
    """Load every weight into the tested model; refuse a checkpoint of another model."""
    from mmmask.engine.checkpoints import check_numbers
    from mmmask.engine.unwrap import classifier_of

    given, network = content.get("state_dict", content), classifier_of(model)
    check_numbers(network.state_dict(), given, checkpoint)
    try:
        network.load_state_dict(given, strict=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{checkpoint}: weights of another model: {reason[:300]}") from error


def prepare_test(cfg: "Config") -> "Config":
    """Return the config reduced to what a test needs."""
    cfg.pretrained = None
    cfg.load_from, cfg.resume = None, False  # the config that a resumed run saved names its own
    cfg.tracking = None  # a test is no run of its own
    compose(cfg)
    cfg.visualizer = None
    if cfg.tta.enabled:
        for part in ("tta_model", "tta_pipeline"):
            if cfg.get(part) is None:
                raise InputError(f"{part} must be given where tta is enabled; it is None")
        cfg.model = {**cfg.tta_model, "module": cfg.model}
        cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
    hooks = cfg.get("default_hooks") or {}
    hooks = {name: hook for name, hook in hooks.items() if name in TEST_HOOKS}
    stated = cfg.test_evaluator if isinstance(cfg.test_evaluator, list) else [cfg.test_evaluator]
    others = [metric for metric in stated if metric["type"] != "MaskFaceMetric"]
    # Ours gathers the predictions, and the caller shows its scores.
    cfg.test_evaluator = [*others, {"type": "MaskFaceMetric"}]
    if hooks.get("progress") is not None:
        hooks["progress"] = {**hooks["progress"], "test_scores": bool(others)}
    cfg.default_hooks = {**hooks, "sampler_seed": None, "param_scheduler": None, "checkpoint": None}
    cfg.custom_hooks = []
    for part in ("dataloader", "cfg", "evaluator"):
        cfg[f"val_{part}"] = None
    for key in ("train_dataloader", "train_cfg", "optim_wrapper", "param_scheduler"):
        cfg[key] = None
    return cfg
