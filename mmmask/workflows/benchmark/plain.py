"""The loop that most people write: timm for the model, PIL and torchvision for the photos."""

from pathlib import Path

import timm
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from mmmask.config import load_config
from mmmask.datasets.layout import read_train, with_labels
from mmmask.labels import NUM_CLASSES
from mmmask.workflows.benchmark.cases import TIMM, Case
from mmmask.workflows.benchmark.ticks import tick


class PhotoFolder(Dataset):
    """Photos by PIL, transformed by torchvision."""

    def __init__(self, case: Case, *, training: bool) -> None:
        samples = with_labels(read_train(case.data_root))
        self.paths = [Path(case.data_root) / image for image in samples["image"]]
        self.labels = samples["label"].tolist()
        shape = load_config(case.config()).preprocessing
        width, height = Image.open(self.paths[0]).size
        kept = (round(height * shape.crop[0]), round(width * shape.crop[1]))
        mean, std = ([part / 255 for part in values] for values in (shape.mean, shape.std))
        self.transform = v2.Compose(
            [
                v2.CenterCrop(kept),
                v2.Resize(tuple(shape.size)),
                *([v2.RandomHorizontalFlip()] if training else []),
                v2.ToImage(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(mean, std),
            ]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        with Image.open(self.paths[index]) as photo:
            return self.transform(photo.convert("RGB")), self.labels[index]


def run_plain(case: Case) -> None:
    """Train, validate or test with the mirrored view, until the ticks are done."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    channels_last = case.contender.endswith("channels_last")
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = timm.create_model(TIMM[case.backbone], num_classes=NUM_CLASSES)
    model = model.to(device, memory_format=layout)
    training = case.task == "train"
    loader = DataLoader(
        PhotoFolder(case, training=training),
        case.batch,
        shuffle=training,
        num_workers=case.workers,
        pin_memory=device.type == "cuda",
        persistent_workers=case.workers > 0,
        drop_last=training,
    )
    criterion = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    model.train(training)
    while True:
        for photos, labels in loader:
            photos = photos.to(device, memory_format=layout)
            labels = labels.to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=case.amp):
                if training:
                    loss = criterion(model(photos), labels)
                else:
                    with torch.no_grad():
                        scores = model(photos).softmax(1)
                        if case.task == "test_tta":
                            scores = (scores + model(photos.flip(-1)).softmax(1)) / 2
            if training:
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
                optimizer.step()
                loss.item()
            else:
                scores.argmax(1).tolist()
            tick(case.warmup, case.batches)
