"""The part of a benchmark that runs one case in a process of its own.

``python -m mmmask.workflows.benchmark.contenders CASE_JSON`` writes ``ticks.json`` into the
folder of the case: when each batch was done.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from mmengine.registry import init_default_scope
from torch.utils.data import DataLoader

from mmmask.blocks import compose
from mmmask.config import load_config
from mmmask.engine.allocator import keep_freed_memory
from mmmask.workflows.benchmark.cases import Case
from mmmask.workflows.benchmark.ticks import TICKS, EnoughError, tick


def run(case: Case) -> list[float]:
    """Run a case and return its ticks."""
    try:
        if case.task == "data":
            _run_data(case)
        elif case.contender == "model":
            _run_model(case)
        elif case.contender.startswith("plain"):
            from mmmask.workflows.benchmark.plain import run_plain

            run_plain(case)
        elif case.contender == "stock":
            _run_stock(case)
        else:
            _run_mmmask(case)
    except EnoughError:
        return list(TICKS)
    raise RuntimeError(f"{case}: ended after {len(TICKS)} of {case.batches} batches")


def _run_mmmask(case: Case) -> None:
    """Train as tools/train.py does, validate or test as tools/test.py does."""
    from mmmask.workflows.testing import prepare_test
    from mmmask.workflows.train import build_runner, train

    packed = case.contender in ("mmmask_packed", "mmmask_compiled")
    compiled = case.contender == "mmmask_compiled"
    config = case.config(pack=case.pack if packed else None, compiled=compiled)
    work_dir = f"{case.folder}/run"
    if case.task == "train":
        train(config, work_dir=work_dir, amp=case.amp)
        return
    cfg = load_config(config)
    cfg.work_dir = work_dir
    cfg.tta.enabled = case.task == "test_tta"
    hooks = cfg.custom_hooks
    cfg = prepare_test(cfg)
    cfg.custom_hooks = hooks
    with torch.autocast(_device().type, torch.bfloat16, enabled=case.amp):
        build_runner(cfg).test()


def _run_stock(case: Case) -> None:
    import mmpretrain  # noqa: F401 - registers
    from mmengine.runner import Runner

    from mmmask.workflows.benchmark.stock import stock_config, with_tta

    cfg = stock_config(case)
    if case.task == "train":
        Runner.from_cfg(cfg).train()
        return
    if case.task == "test_tta":
        cfg = with_tta(cfg)
    if case.amp:
        cfg.test_cfg["fp16"] = True
    training = ("train_dataloader", "train_cfg", "optim_wrapper", "param_scheduler")
    for key in (*training, "val_dataloader", "val_cfg", "val_evaluator"):
        cfg[key] = None
    Runner.from_cfg(cfg).test()


def _run_model(case: Case) -> None:
    """Run the arithmetic alone, on a batch that is where it is needed and as it is needed.

    With mmmask's settings of threads and memory, so that it is the limit of what mmmask can do.
    """
    from mmpretrain.registry import MODELS

    from mmmask.structures import SampleBatch

    keep_freed_memory()
    cfg = load_config(case.config())
    init_default_scope("mmpretrain")
    device = _device()
    torch.backends.cudnn.benchmark = True
    model = MODELS.build(cfg.model).to(device, memory_format=torch.channels_last)
    views = 2 if case.task == "test_tta" else 1
    photos = torch.randn(case.batch * views, 3, *cfg.preprocessing.size, device=device)
    photos = photos.to(memory_format=torch.channels_last)
    batch = SampleBatch()
    batch.gt_label = torch.arange(case.batch, device=device) % 18
    model.train(case.task == "train")
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, fused=True)
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=case.amp)
    while True:
        if case.task == "train":
            with autocast:
                loss = model(photos, batch, mode="loss")["loss"]
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            optimizer.zero_grad()
        else:
            with torch.no_grad(), autocast:
                model(photos, mode="predict")
        tick(case.warmup, case.batches)


def _run_data(case: Case) -> None:
    """Make network inputs from files, on one core and in one process."""
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[0]})
    torch.set_num_threads(1)
    if case.contender.startswith("mmmask"):
        keep_freed_memory()  # as a run does
    loader, network_input = _data_path(case)
    while True:
        for batch in loader:
            network_input(batch)
            tick(case.warmup, case.batches)


def _data_path(case: Case) -> tuple[DataLoader, Callable[[Any], object]]:
    """Return what loads batches, and what makes the network's input of one."""
    from mmengine.dataset import default_collate
    from mmpretrain.registry import DATASETS, MODELS

    init_default_scope("mmpretrain")
    if case.contender == "plain":
        from mmmask.workflows.benchmark.plain import PhotoFolder

        loader = DataLoader(PhotoFolder(case, training=True), case.batch, shuffle=True)
        return loader, lambda batch: batch
    if case.contender == "stock":
        from mmmask.workflows.benchmark.stock import stock_config

        cfg, collate, sampler = stock_config(case), default_collate, None
        preprocessor = {"type": "ClsDataPreprocessor", **cfg.model.data_preprocessor}
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
    else:
        from mmmask.datasets.batching import stack_photos
        from mmmask.datasets.sampler import EpochSampler

        cfg = load_config(case.config())
        cfg.data.pack = case.pack if case.contender == "mmmask_packed" else None
        compose(cfg)
        preprocessor, collate = cfg.model.data_preprocessor, stack_photos
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
        sampler = EpochSampler(dataset, seed=0)
    preprocess = MODELS.build(preprocessor)
    loader = DataLoader(
        dataset, case.batch, shuffle=sampler is None, sampler=sampler, collate_fn=collate
    )
    return loader, lambda batch: preprocess(batch, True)


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


if __name__ == "__main__":
    the_case = Case(**json.loads(sys.argv[1]))
    ticks = run(the_case)
    (Path(the_case.folder) / "ticks.json").write_text(json.dumps(ticks))
    sys.stdout.flush()
    os._exit(0)  # do not wait for the workers of an unfinished epoch
