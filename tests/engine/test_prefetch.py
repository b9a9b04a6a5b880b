import pytest
import torch
from mmengine.registry import init_default_scope
from torch.utils.data import DataLoader

from mmmask.engine.prefetch import DevicePrefetcher, moved, tensors_of
from mmmask.structures import SampleBatch

CPU = torch.device("cpu")


def batch_of(numbers: list[int]) -> dict:
    batch = SampleBatch(metainfo={"name": "a"})
    batch.gt_label = torch.tensor(numbers)
    return {"inputs": torch.tensor(numbers), "data_samples": batch}


def test_batches_come_in_order_and_complete() -> None:
    loader = DataLoader(range(10), 3, collate_fn=batch_of)
    batches = list(DevicePrefetcher(loader, CPU))
    assert [batch["inputs"].tolist() for batch in batches] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
    assert batches[1]["data_samples"].gt_label.tolist() == [3, 4, 5]


def test_one_batch_is_fetched_ahead() -> None:
    fetched = []

    def collate(numbers: list[int]) -> dict:
        fetched.append(numbers)
        return batch_of(numbers)

    batches = iter(DevicePrefetcher(DataLoader(range(4), 1, collate_fn=collate), CPU))
    next(batches)
    assert fetched == [[0], [1]]
    next(batches)
    assert fetched == [[0], [1], [2]]


def test_an_empty_loader_gives_nothing() -> None:
    assert list(DevicePrefetcher(DataLoader([], 1), CPU)) == []


def test_it_stands_for_the_loader_it_wraps() -> None:
    loader = DataLoader(range(10), 3)
    prefetcher = DevicePrefetcher(loader, CPU)
    assert len(prefetcher) == 4
    assert prefetcher.dataset is loader.dataset
    assert prefetcher.sampler is loader.sampler


def test_every_tensor_of_a_batch_is_moved_and_the_rest_stays() -> None:
    data = moved({**batch_of([1, 2]), "pair": (torch.ones(1), "text")}, torch.device("meta"))
    assert {tensor.device.type for tensor in tensors_of(data)} == {"meta"}
    assert len(list(tensors_of(data))) == 3
    assert data["pair"][1] == "text"
    assert data["data_samples"].metainfo == {"name": "a"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_the_copies_hold_the_same_numbers() -> None:
    init_default_scope("mmpretrain")
    loader = DataLoader(range(1000), 10, collate_fn=batch_of, pin_memory=True)
    seen = [batch["inputs"] * 2 for batch in DevicePrefetcher(loader, torch.device("cuda:0"))]
    assert torch.cat(seen).tolist() == list(range(0, 2000, 2))
