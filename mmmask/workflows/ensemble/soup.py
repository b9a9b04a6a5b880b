"""Model soup: one network whose weights are the mean of those of several checkpoints."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import track

from mmmask.blocks import plain
from mmmask.config import load_config
from mmmask.errors import InputError
from mmmask.files import atomic_write
from mmmask.ledger.chosen_epoch import chosen_by
from mmmask.ledger.provenance import WITHOUT_TRUTH, file_hash, made_now
from mmmask.workflows.testing import check_same, load_weights, prepare_test
from mmmask.workflows.train import build_runner

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.runner import Runner
    from torch import Tensor, nn

#: What the checkpoints must share, and what is wrong if they do not.
SHARED = {
    "preprocessing": "another preprocessing",
    "data": "other labels, or other people held out (data)",
    "trained_on": "another training split",
    **dict.fromkeys(WITHOUT_TRUTH, "other photos without true labels"),
    "dataset_meta": "other classes",
}
#: Parts of ``data`` that say where it lies, not what it is.
PLACES = ("data_root", "pack")
#: What a checkpoint says of its run alone.
OF_A_RUN = ("chosen_by", "epoch", "iter", "seed", "experiment_name", "time")


def soup(
    checkpoints: Sequence[str | Path],
    config: str | Path,
    *,
    out: str | Path,
    data_root: str | Path | None = None,
) -> Path:
    """Average the weights of checkpoints of one network, and write them as a checkpoint.

    The uniform soup of Wortsman et al., Model Soups, 2022, of runs that began with the same
    pretrained weights. The averaged statistics of batch norms do not belong to averaged weights,
    so they are estimated anew on the photos of the training, in test preprocessing.

    Args:
        checkpoints: At least two.
        config: Config of the runs.
        out: The checkpoint to write (.pth), for ``tools/test.py``; it cannot be resumed.
        data_root: Folder with ``train/``; None keeps the config's. A network without batch norms
            needs none.

    Raises:
        InputError: The checkpoints have other weights than the config's model or weights that are
            not finite, or differ in preprocessing, labels, or who was held out.
    """
    from mmmask.engine.checkpoints import load_checkpoint_file, stored_bytes
    from mmmask.engine.unwrap import classifier_of

    paths = [Path(path) for path in checkpoints]
    if len(paths) < 2:
        raise InputError(f"--soup needs at least two checkpoints; got {len(paths)}")
    if Path(out).suffix != ".pth":
        raise InputError(f"{out}: --soup writes a checkpoint, which ends in .pth")
    cfg = load_config(config)
    if data_root is not None:
        cfg.data.data_root = str(data_root)
    first = load_checkpoint_file(str(paths[0]))
    meta = first.get("meta", {})
    check_same(cfg, meta, "preprocessing", paths[0])
    check_same(cfg, meta, "data", paths[0], keys=("folds", "fold", "split_seed", "old_from"))
    mean, chosen = Mean(first["state_dict"]), chosen_by(meta, paths[0])
    for path in paths[1:]:
        other = load_checkpoint_file(str(path))
        check_alike(meta, other.get("meta", {}), paths[0], path)
        chosen = chosen or chosen_by(other.get("meta", {}), path)
        mean.add(other["state_dict"], paths[0], path)
    runner = _tester(cfg, meta.get("trained_on", "train"), Path(out).parent / "test")
    load_weights(runner.model, {"state_dict": mean.weights()}, paths[0])
    _check_weights(runner.model, paths)
    norms = estimate_statistics(runner)
    stored = {key: value for key, value in meta.items() if key not in OF_A_RUN}
    if chosen is not None:
        stored["chosen_by"] = chosen
    stored["soup"] = {
        "members": [{"path": str(path), "hash": file_hash(path)} for path in paths],
        "batch_norms_estimated": norms,
        **made_now(),
    }
    weights = {
        name: value.cpu() for name, value in classifier_of(runner.model).state_dict().items()
    }
    with atomic_write(out) as partial:
        partial.write_bytes(stored_bytes({"meta": stored, "state_dict": weights}))
    return Path(out)


class Mean:
    """The mean of weights, added up in double precision, in which equal ones stay what they are.

    Args:
        weights: The first, by name.
    """

    def __init__(self, weights: Mapping[str, "Tensor"]) -> None:
        self._first = weights
        self._count = 1
        self._sums = {
            name: value.double() for name, value in weights.items() if value.is_floating_point()
        }

    def add(self, weights: Mapping[str, "Tensor"], first: Path, path: Path) -> None:
        """Add the weights of the file ``path``; refuse those of another network."""
        from mmmask.engine.checkpoints import check_numbers

        for name in sorted({*weights} ^ {*self._first}) or sorted(self._first):
            one, other = self._first.get(name), weights.get(name)
            if one is None or other is None or one.shape != other.shape:
                shapes = ["no such" if w is None else f"{tuple(w.shape)}" for w in (one, other)]
                raise InputError(
                    f"{first} and {path} are of different networks: {name} is "
                    f"{shapes[0]} and {shapes[1]}"
                )
        check_numbers(self._first, weights, path)
        for name, value in self._sums.items():
            value += weights[name]
        self._count += 1

    def weights(self) -> dict[str, "Tensor"]:
        """Return the mean; of what is no floating-point number, the first."""
        return {
            name: (self._sums[name] / self._count).to(value.dtype) if name in self._sums else value
            for name, value in self._first.items()
        }


def check_alike(one: Mapping[str, Any], other: Mapping[str, Any], first: Path, path: Path) -> None:
    """Refuse checkpoints whose ``meta`` differs in what ``SHARED`` lists."""
    for key, problem in SHARED.items():
        ours, theirs = plain(one.get(key)), plain(other.get(key))
        if key == "data" and ours and theirs:
            ours, theirs = (
                {name: value for name, value in data.items() if name not in PLACES}
                for data in (ours, theirs)
            )
        if ours != theirs:
            raise InputError(f"{first} and {path} were trained with {problem}: {ours} and {theirs}")


def _check_weights(model: "nn.Module", paths: Sequence[Path]) -> None:
    """Refuse a mean of weights that are not finite, by the first checkpoint that has such."""
    from mmmask.engine.checkpoints import load_checkpoint_file
    from mmmask.engine.unwrap import classifier_of

    # Buffers may hold NaN: a batch norm's are estimated anew, those of losses serve training.
    for name, value in classifier_of(model).named_parameters():
        if not value.isfinite().all():
            states = ((path, load_checkpoint_file(str(path))["state_dict"]) for path in paths)
            at_fault = (path for path, state in states if not state[name].isfinite().all())
            raise InputError(
                f"{next(at_fault, paths[0])}: the weights {name} are not finite numbers"
            )


def estimate_statistics(runner: "Runner") -> int:
    """Set mean and variance of each batch norm to those of the photos that ``runner`` tests.

    Each is the plain mean over the batches, as in stochastic weight averaging (Izmailov et al.,
    2018).

    Returns:
        The number of batch norms; without any no photo is looked at.
    """
    import torch

    from mmmask.engine.unwrap import classifier_of

    model = classifier_of(runner.model).eval()
    # All of any number of dimensions, and those of several processes, have this base.
    batch_norm = torch.nn.modules.batchnorm._BatchNorm
    norms = [part for part in model.modules() if isinstance(part, batch_norm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    if norms:
        batches = runner.test_dataloader
        with torch.no_grad():
            for batch in track(batches, "Batch norms", len(batches), console=Console(stderr=True)):
                model.test_step(batch)
    return len(norms)


def _tester(cfg: "Config", split: str, work_dir: Path) -> "Runner":
    """Return a runner that tests the photos that were trained on, in random order."""
    cfg.test_dataloader.dataset.split = split
    cfg.test_dataloader.sampler = {"type": "DefaultSampler", "shuffle": True, "seed": 0}
    cfg.tta.enabled = False
    cfg.work_dir = str(work_dir)
    return build_runner(prepare_test(cfg))
