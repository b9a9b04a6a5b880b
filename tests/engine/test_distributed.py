import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from tiny_engine import differences, state

from mmmask.engine.checkpoints import load_checkpoint_file
from mmmask.engine.distributed import start_distributed, wrap_for_device
from mmmask.errors import InputError
from mmmask.ledger.epoch_answers import EpochAnswers

HERE = Path(__file__).parent
SCRIPT = """
import json, sys
from pathlib import Path
import torch
from mmengine.dist import all_gather
from mmengine.hooks import Hook
from tiny_engine import tiny_config, train
from mmmask.engine.distributed import start_distributed, stop_distributed, wrap_for_device
from mmmask.engine.hooks.batch_norm_sync_hook import BatchNormSyncHook
from mmmask.ledger.epoch_answers import EpochAnswers

torch.set_num_threads(1)
folder, launcher = Path(sys.argv[1]), sys.argv[2]
start_distributed(launcher)

class FirstGradient(Hook):
    '''Compare the gradient of the first step with that of one process on both halves.'''

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter > 0:
            return
        net = runner.model.module.eval()  # no dropout, frozen batch norm
        both = {key: torch.cat(all_gather(half)) for key, half in data_batch.items()}
        net(**both, mode="loss")["loss"].backward()
        self.expected = net.conv.weight.grad.clone()
        net.zero_grad()
        runner.model(**data_batch, mode="loss")["loss"].backward()
        self.got = net.conv.weight.grad.clone()
        net.zero_grad()
        runner.model.train()

def config(name):
    config = tiny_config(folder / name, epochs=3, launcher=launcher)
    # one order of photos for both processes, of which each takes its half
    config.train_dataloader.sampler = {"type": "DefaultSampler", "shuffle": True, "seed": 3}
    config.custom_hooks = [
        *config.custom_hooks,
        {"type": "PersonSplitHook"},
        {"type": "ChannelsLastHook"},
        {"type": "BatchNormSyncHook"},
        {"type": "ProgressHook"},
        {"type": "RunCardHook"},
    ]
    config.val_evaluator = {"type": "TinyFaceMetric"}
    wrap_for_device(config)
    return config

written = []
write = EpochAnswers.write
EpochAnswers.write = lambda answers, folder: written.append(folder) or write(answers, folder)
gradient = FirstGradient()
train(config("whole"), hooks=[gradient])
train(config("killed"), kill={"point": "inside the epoch", "epoch": 2})
runner = train(config("killed"), resume=True)
net, rank = runner.model.module, runner.rank
print(flush=True)
(folder / f"rank{rank}.json").write_text(json.dumps({
    "world": runner.world_size,
    "wrapper": type(runner.model).__name__,
    "weight": net.conv.weight.detach().flatten().tolist(),
    "mean": net.norm.running_mean.tolist(),
    "temperature": net.head.temperature.item(),
    "counts": net.head.class_counts.sum().item(),
    "random": torch.rand(()).item(),
    "written": len(written),
    "gradient": [gradient.got.flatten().tolist(), gradient.expected.flatten().tolist()],
}))
del runner, net
stop_distributed()
threads = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
(folder / f"threads{rank}.txt").write_text("\\n".join(threads))
"""


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory) -> tuple[Path, list[dict], str]:
    """The folder, what each process found, and what was printed."""
    if torch.cuda.is_available():
        pytest.skip("with CUDA the processes use the GPUs")
    folder = tmp_path_factory.mktemp("two")
    (folder / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    path = os.pathsep.join([str(HERE), str(HERE.parents[1])])
    done = subprocess.run(
        [*command, str(folder / "script.py"), str(folder), "pytorch"],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = [json.loads((folder / f"rank{rank}.json").read_text()) for rank in (0, 1)]
    return folder, found, done.stdout


def test_two_processes_train_one_model_without_a_gpu(two_processes):
    _, (one, two), _ = two_processes
    assert one["world"] == 2
    assert one["wrapper"] == "MMDistributedDataParallel"
    for same in ("weight", "mean", "temperature"):
        assert one[same] == two[same]
    assert one["temperature"] != 1
    assert one["counts"] == two["counts"] == 40
    assert one["random"] != two["random"]


def test_no_thread_of_the_group_is_left_that_could_abort_the_process(two_processes):
    folder, _, _ = two_processes
    for rank in (0, 1):
        assert "gloo" not in (folder / f"threads{rank}.txt").read_text()


def test_the_first_gradient_is_that_of_one_process_though_weights_are_channels_last(two_processes):
    _, found, _ = two_processes
    for process in found:
        got, expected = map(torch.tensor, process["gradient"])
        assert torch.allclose(got, expected, atol=1e-6)
        assert expected.abs().max() > 0.01


def test_two_processes_resume_to_the_same_bits(two_processes):
    folder, _, _ = two_processes
    names = sorted(path.name for path in (folder / "whole").glob("*.pth"))
    assert [name for name in names if name.startswith("epoch")] == ["epoch_2.pth", "epoch_3.pth"]
    assert names == sorted(path.name for path in (folder / "killed").glob("*.pth"))
    for name in names:
        assert not differences(*(state(folder / run / name) for run in ("whole", "killed")))


def test_the_model_that_every_process_validates_is_the_one_that_is_stored(two_processes):
    folder, found, _ = two_processes
    content = load_checkpoint_file(folder / "killed" / "epoch_3.pth")
    for process in found:
        assert content["state_dict"]["norm.running_mean"].tolist() == process["mean"]


def test_only_the_first_process_prints_and_writes(two_processes):
    folder, found, printed = two_processes
    summaries = [line[:9] for line in printed.splitlines() if "train loss" in line]
    assert summaries == [*(f"epoch {epoch}/3" for epoch in (1, 2, 3)), "epoch 1/3"] + [
        f"epoch {epoch}/3" for epoch in (2, 3)
    ]
    assert (folder / "whole" / "split.csv").exists()
    assert [process["written"] for process in found] == [6, 0]
    answers = EpochAnswers.read(folder / "whole")
    assert answers.epochs == [1, 2, 3]
    assert answers.table["image"].tolist() == [f"{photo}.jpg" for photo in range(24)]
    assert answers.table.equals(EpochAnswers.read(folder / "killed").table)


@pytest.fixture
def no_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)


def test_one_process_starts_no_group(no_cuda):
    start_distributed("none")
    assert not torch.distributed.is_initialized()


def test_a_launcher_that_needs_cuda_is_refused_without_it(no_cuda):
    with pytest.raises(InputError, match=r"'none' or 'pytorch'.*got 'slurm'"):
        start_distributed("slurm")


def test_a_launch_without_torchrun_says_what_is_missing(no_cuda, monkeypatch):
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(InputError, match=r"torchrun.*no LOCAL_RANK, WORLD_SIZE"):
        start_distributed("pytorch")


def test_only_several_processes_without_cuda_get_another_wrapper(no_cuda, monkeypatch):
    alone, several = Config({"launcher": "none"}), Config({"launcher": "pytorch"})
    wrap_for_device(alone)
    assert "model_wrapper_cfg" not in alone
    own = Config({"launcher": "pytorch", "model_wrapper_cfg": {"type": "Own"}})
    wrap_for_device(own)
    assert own.model_wrapper_cfg == {"type": "Own"}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    wrap_for_device(several)
    assert "model_wrapper_cfg" not in several
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    wrap_for_device(several)
    assert several.model_wrapper_cfg.device_ids is None
