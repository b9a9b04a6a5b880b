"""Several processes on a machine without GPU, by gloo; with CUDA everything stays MMEngine's."""

import gc
import os

import torch
from mmengine.config import Config
from torch import distributed

from mmmask.errors import InputError

_TORCHRUN = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def start_distributed(launcher: str) -> None:
    """Join the other processes where CUDA is absent; ``workflows.train`` does it before the Runner.

    MMEngine would call ``torch.cuda.set_device`` even for gloo. It finds the process group
    started here and starts none.

    Args:
        launcher: ``"none"``, or ``"pytorch"`` under torchrun. Others need CUDA.
    """
    if launcher == "none" or torch.cuda.is_available():
        return
    if launcher != "pytorch":
        raise InputError(
            f"launcher must be 'none' or 'pytorch' on a machine without CUDA; got {launcher!r}"
        )
    missing = [name for name in _TORCHRUN if name not in os.environ]
    if missing:
        raise InputError(
            "launcher 'pytorch' must be started by torchrun (see tools/dist_train.sh); got no "
            f"{', '.join(missing)} in the environment"
        )
    if not distributed.is_initialized():
        distributed.init_process_group("gloo")


def stop_distributed() -> None:
    """Leave the group of processes, all at once; one that ends while others wait aborts them.

    Gloo's threads end with the last object that holds the group, and one that still lets go of a
    tensor while Python ends aborts the process. So no model of the group should be held any more;
    a Runner that is only held by its own hooks is freed here.
    """
    if distributed.is_available() and distributed.is_initialized():
        distributed.barrier()
        gc.collect()
        distributed.destroy_process_group()


def wrap_for_device(cfg: Config) -> None:
    """Let the config name a wrapper without device ids where CUDA is absent.

    MMEngine's default names the GPU of each process, which the CPU's refuses. ``workflows.train``
    calls it before the Runner is built.
    """
    if cfg.get("launcher", "none") == "none" or torch.cuda.is_available():
        return
    cfg.setdefault(
        "model_wrapper_cfg",
        {
            "type": "MMDistributedDataParallel",
            "device_ids": None,
            "broadcast_buffers": False,  # as MMEngine has it with CUDA
            "find_unused_parameters": cfg.get("find_unused_parameters", False),
        },
    )
