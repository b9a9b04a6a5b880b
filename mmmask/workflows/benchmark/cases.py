"""What is measured: tasks, contenders, and the one case that a process runs."""

from dataclasses import dataclass
from pathlib import Path

from mmmask.shipped import CONFIGS

#: Contender -> what it is.
CONTENDERS = {
    "model": "the model alone, its input in place, channels last",
    "mmmask": "mmmask, photos decoded each time",
    "mmmask_packed": "mmmask, photos packed",
    "mmmask_reduced": "mmmask, JPEG decoded at reduced scale",
    "mmmask_compiled": "mmmask, photos packed, backbone compiled",
    "stock": "MMPretrain's own Runner, dataset, pipeline and collate",
    "plain": "a loop of timm, PIL and torchvision",
    "plain_channels_last": "the same loop, channels last",
}
_LOOPS = ("model", "mmmask", "mmmask_packed", "stock", "plain", "plain_channels_last")
#: Task -> its contenders. ``data`` is the path from file to network input, on one core.
TASKS = {
    "train": _LOOPS,
    "val": _LOOPS,
    "test_tta": _LOOPS,
    "data": ("mmmask", "mmmask_packed", "mmmask_reduced", "stock", "plain"),
}
#: timm's twin of a backbone block, for the plain loop.
TIMM = {
    "mobilenet_v2": "mobilenetv2_100",
    "effnet_b0": "efficientnet_b0",
    "effnet_b3": "efficientnet_b3",
    "effnet_b4": "efficientnet_b4",
}


@dataclass(frozen=True)
class Case:
    """One contender at one task, for one process."""

    data_root: str  # folder with train/
    folder: str  # where the process may write
    task: str = "train"  # one of TASKS
    contender: str = "mmmask"  # one of CONTENDERS
    backbone: str = "mobilenet_v2"  # name of a block under configs/_base_/backbones
    batch: int = 64  # photos per batch
    steps: int = 10  # batches that are timed
    warmup: int = 3  # batches before them
    workers: int = 2  # data workers
    amp: bool = False  # train under autocast
    pack: str | None = None  # file of packed photos

    @property
    def batches(self) -> int:
        """Batches until the process stops."""
        return self.warmup + self.steps

    @property
    def tick_hook(self) -> dict:
        return {"type": "TickHook", "warmup": self.warmup, "batches": self.batches}

    def config(self, *, pack: str | None = None, compiled: bool = False) -> Path:
        """Write the config of this case, a linear head on the backbone, and return its path."""
        parts = ("data/mask_faces", f"backbones/{self.backbone}", "heads/linear")
        blocks = (*parts, "schedules/adamw_cosine", "runtime/default")
        loader = {"batch_size": self.batch, "num_workers": self.workers}
        hooks = [self.tick_hook, *([{"type": "CompileHook"}] if compiled else [])]
        lines = [
            f"_base_ = {[str(CONFIGS / '_base_' / f'{block}.py') for block in blocks]}",
            'custom_imports = dict(imports=["mmmask.workflows.benchmark.ticks"])',
            f"data = dict(data_root={self.data_root!r}, pack={pack!r})",
            f"preprocessing = dict(reduced_decode={self.contender == 'mmmask_reduced'})",
            *(f"{name}_dataloader = {loader}" for name in ("train", "val", "test")),
            'test_dataloader["dataset"] = dict(split="train")',
            f"custom_hooks = {hooks}",
            "pretrained = None",
            "train_cfg = dict(max_epochs=1000)",
        ]
        path = Path(self.folder) / f"bench_{self.contender}.py"
        path.write_text("\n".join(lines) + "\n")
        return path
