"""Semi-supervised runs: what a step sees, how they resume, and what they leave on record."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from mmengine.hooks import Hook
from tiny_engine import differences, state, train

import mmmask.register  # noqa: F401
from mmmask.config import load_config
from mmmask.engine.checkpoints import load_checkpoint_file
from mmmask.errors import InputError

HERE = Path(__file__).parent
CONFIGS = Path(__file__).parents[2] / "configs"
GENDERS = ("male", "female")
PEOPLE = [(f"{i:06d}", GENDERS[i % 2], 20 + 10 * (i % 5)) for i in range(10)]


class Watch(Hook):
    """Keep the batches of a run."""

    def __init__(self) -> None:
        self.batches: list[dict] = []
        self.progress: list[float] = []

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        self.batches.append(data_batch)
        model = runner.model
        self.progress.append(getattr(model, "module", model).progress)


def config(root: Path, work_dir: Path, technique: str = "uda", **options):
    cfg = load_config(
        CONFIGS / f"mobilenet_v2_linear_{technique}.py",
        {
            "data.data_root": str(root),
            "preprocessing.size": (32, 24),
            "pretrained": None,
            "backbone.widen_factor": 0.25,
            "train_cfg.max_epochs": 3,
            "train_dataloader.batch_size": 16,
            "train_dataloader.num_workers": 0,
            "val_dataloader.num_workers": 0,
            "semi.num_workers": 0,
            "semi.consistency.threshold": 0.0,
            **options,
        },
    )
    cfg.work_dir = str(work_dir)
    cfg.custom_hooks = []
    return cfg


@pytest.fixture
def root(make_layout) -> Path:
    return make_layout(PEOPLE, eval_photos=11)


def test_each_step_has_a_labelled_batch_and_two_views_of_unlabelled_photos(root, tmp_path):
    watch = Watch()
    train(config(root, tmp_path / "run", **{"semi.ratio": 2}), hooks=[watch])
    assert len(watch.batches) == 3 * 4  # 56 labelled photos
    for batch in watch.batches:
        views = batch["unlabelled"]
        assert set(views) == {"weak", "strong"}
        assert views["weak"].shape == views["strong"].shape == (32, 3, 32, 24)
        assert not torch.equal(views["weak"], views["strong"])
    assert watch.progress == [step / 12 for step in range(12)]


@pytest.mark.parametrize("technique", ["uda", "fixmatch"])
@pytest.mark.parametrize("workers", [0, 2])
def test_a_killed_and_resumed_run_equals_an_uninterrupted_one(root, tmp_path, technique, workers):
    options = {"semi.num_workers": workers, "train_dataloader.num_workers": workers}
    options["semi.annealing"] = "linear"
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train(config(root, whole, technique, **options))
    train(
        config(root, killed, technique, **options), kill={"point": "inside the epoch", "epoch": 2}
    )
    assert (killed / "epoch_1.pth").exists()
    train(config(root, killed, technique, **options), resume=True)
    assert not differences(state(whole / "epoch_3.pth"), state(killed / "epoch_3.pth"))


def test_the_number_of_workers_does_not_change_what_is_seen(root, tmp_path):
    watches = [Watch(), Watch()]
    for workers, watch in zip((0, 2), watches, strict=True):
        cfg = config(root, tmp_path / str(workers), **{"semi.num_workers": workers})
        train(cfg, hooks=[watch])
    for one, other in zip(*(watch.batches for watch in watches), strict=True):
        for view in ("weak", "strong"):
            assert torch.equal(one["unlabelled"][view], other["unlabelled"][view])


def test_photos_of_the_test_set_are_on_record(root, tmp_path):
    train(config(root, tmp_path / "run"))
    for path in (tmp_path / "run").glob("*.pth"):
        record = load_checkpoint_file(str(path))["meta"]["unlabelled"]
        assert {key: record[key] for key in ("photos", "count", "from_test_set")} == {
            "photos": "eval",
            "count": 11,
            "from_test_set": 11,
        }
    (log,) = (tmp_path / "run").glob("*/*.log")
    assert "11 photos are used without labels, 11 of them of the test set" in log.read_text()


def test_a_folder_of_other_photos_is_not_counted_as_test_set(root, tmp_path):
    cfg = config(root, tmp_path / "run", **{"semi.photos": str(_others(root, tmp_path))})
    train(cfg)
    record = load_checkpoint_file(str(tmp_path / "run" / "epoch_3.pth"))["meta"]["unlabelled"]
    assert (record["count"], record["from_test_set"]) == (11, 0)


def _others(root: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "others"
    (folder / "deeper").mkdir(parents=True)
    for photo in (root / "eval" / "images").iterdir():
        (folder / "deeper" / photo.name).write_bytes(photo.read_bytes())
    return folder


def test_photos_held_out_for_validation_are_refused(root, tmp_path):
    table = tmp_path / "everybody.csv"
    images = sorted(path.relative_to(root) for path in root.glob("train/images/*/*.jpg"))
    pd.DataFrame({"image": map(str, images), "person": "x"}).to_csv(table, index=False)
    with pytest.raises(InputError, match=r"semi\.photos: 14 of .* held out for validation"):
        train(config(root, tmp_path / "run", **{"semi.photos": str(table)}))


SCRIPT = """
import sys
from pathlib import Path
import torch
from mmengine.dist import all_gather, get_rank
from mmengine.hooks import Hook
from tiny_engine import train
from test_semi_loop import config
from mmmask.engine.distributed import start_distributed, stop_distributed, wrap_for_device

torch.set_num_threads(1)
root, folder = Path(sys.argv[1]), Path(sys.argv[2])
start_distributed("pytorch")
watch = []

class Gradient(Hook):
    '''Compare the gradient of the first step with that of one process on both halves.'''

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter > 0:
            return
        net = runner.model.module.eval()  # no dropout, frozen batch norm
        half = net.data_preprocessor(data_batch, True)
        labels = half["data_samples"].gt_label
        # labelled, weak and strong of both processes, in the order of one
        views = (len(half["inputs"]) - len(labels)) // 2
        parts = half["inputs"].split([len(labels), views, views])
        whole = torch.cat([part for kind in parts for part in all_gather(kind.contiguous())])
        batch = half["data_samples"].new()
        batch.gt_label = torch.cat(all_gather(labels))
        parsed, _ = net.parse_losses(net(whole, batch, mode="loss"))
        parsed.backward()
        self.expected = net.head.fc.bias.grad.clone()
        net.zero_grad()
        parsed, _ = net.parse_losses(runner.model(**half, mode="loss"))
        parsed.backward()
        self.got = net.head.fc.bias.grad.clone()
        net.zero_grad()
        runner.model.train()

gradient = Gradient()
cfg = config(root, folder / "run", **{"semi.consistency.ramp": 0.0, "train_cfg.max_epochs": 1})
cfg.launcher = "pytorch"
wrap_for_device(cfg)
runner = train(cfg, hooks=[gradient])
torch.save({"got": gradient.got, "expected": gradient.expected,
            "weight": runner.model.module.head.fc.weight.detach()}, folder / f"{get_rank()}.pth")
del runner
stop_distributed()
"""


@pytest.mark.slow
def test_two_processes_share_the_gradient_of_one_and_stay_one_model(root, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("with CUDA the processes use the GPUs")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    path = os.pathsep.join([str(HERE), str(HERE.parents[1])])
    done = subprocess.run(
        [*command, str(script), str(root), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    one, two = (torch.load(tmp_path / f"{rank}.pth") for rank in range(2))
    for process in (one, two):
        torch.testing.assert_close(process["got"], process["expected"], rtol=1e-4, atol=1e-6)
        assert process["expected"].abs().max() > 1e-3
    assert torch.equal(one["weight"], two["weight"])
