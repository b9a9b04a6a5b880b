"""The folder of a run as training leaves it, without training: card, curves, split, answers."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from mmmask.labels import encode, product
from mmmask.ledger.cards import CARD, read_card, write_card
from mmmask.ledger.epoch_answers import EpochAnswers
from mmmask.ledger.provenance import file_hash
from mmmask.tables import PREDICTIONS, PROBABILITIES, write_table

STEMS = ("mask1", "mask2", "mask3", "mask4", "mask5", "incorrect_mask", "normal")
MASKS = np.array([0, 0, 0, 0, 0, 1, 2])


def made_samples(people=12, seed=0):
    """Return image, person, label, gender and age of seven photos each, on no disk."""
    random = np.random.default_rng(seed)
    ages = random.integers(18, 70, people)
    rows = []
    for k, age in enumerate(ages):
        person, gender = f"{k:03d}_p_{age}", k % 2
        label = encode(MASKS, gender, np.digitize(age, (30, 60)))
        rows += [
            (f"train/images/{person}/{stem}.jpg", person, int(each), gender, int(age))
            for stem, each in zip(STEMS, label, strict=True)
        ]
    return pd.DataFrame(rows, columns=["image", "person", "label", "gender", "age"])


def made_predictions(samples, seed=0, right=0.75):
    """Return predictions of which a share is right, attribute by attribute."""
    random = np.random.default_rng(seed)
    parts = {}
    indices = np.unravel_index(samples["label"].to_numpy(dtype=int), (3, 2, 3))
    for name, size, truth in zip(("mask", "gender", "age"), (3, 2, 3), indices, strict=True):
        says = np.where(
            random.random(len(truth)) < right, truth, random.integers(0, size, len(truth))
        )
        sure = random.uniform(0.55, 0.95, len(truth))
        values = np.repeat((1 - sure[:, None]) / (size - 1), size, axis=1)
        values[np.arange(len(truth)), says] = sure
        parts[name] = values
    table = pd.DataFrame(product(parts).astype(np.float32), columns=list(PROBABILITIES))
    return pd.concat([samples[["image", "person", "label"]].reset_index(drop=True), table], axis=1)


def made_run(folder: Path, samples: pd.DataFrame, root: Path, *, scored=True, **session) -> Path:
    """Write a finished run of three epochs, resumed after the second, part of the third lost."""
    folder.mkdir(parents=True)
    (folder / "best_macro_f1_epoch_3.pth").write_bytes(b"weights")
    (folder / "last_checkpoint").write_text(str(folder / "best_macro_f1_epoch_3.pth"))
    (folder / "mobilenet_v2_linear.py").write_text("seed = 7  # </script> & all\n")
    first = [step(1, 10, 3.0), score(1, 0.2), step(2, 20, 2.0), score(2, 0.4), step(3, 25, 9.9)]
    again = [step(3, 30, 1.0), score(3, 0.5)]
    for name, rows in (("20240501_1", first), ("20240501_2", again)):
        path = folder / name / "vis_data" / "scalars.json"
        path.parent.mkdir(parents=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    split = samples.drop_duplicates("person").assign(part="val", photos=7)
    split[["person", "part", "gender", "age", "photos"]].to_csv(folder / "split.csv", index=False)
    write_card(folder, made_card(root, **session))
    if scored:
        checkpoint = folder / "best_macro_f1_epoch_3.pth"
        stated = {"split": "val", "checkpoint": str(checkpoint), "tta": []}
        stated["checkpoint_hash"] = file_hash(checkpoint)
        write_table(folder / "val.parquet", made_predictions(samples), PREDICTIONS, stated)
    return folder


def made_card(root, **changes):
    session = {
        "status": "finished", "start": "2024-05-01T10:00:00", "end": "2024-05-01T10:09:00",
        "from_epoch": 2, "epoch": 3, "max_epochs": 3, "photos_per_second": 70.5,
        "command": "tools/train.py configs/mobilenet_v2_linear.py", "seed": 7,
        "config_file": "configs/mobilenet_v2_linear.py", "config_hash": "c" * 64,
        "split": {"trained_on": "train", "folds": 5, "fold": 1, "split_seed": 0},
        "data": {"root": str(root), "val": {"photos": 84, "people": 12, "fingerprint": "f" * 64}},
        "code": {"version": "0.1.0", "commit": "a" * 40, "dirty": True}, "versions": {"torch": "2"},
        "machine": {"host": "box", "cores": 2, "device": "cpu", "processes": 1}, **changes,
    }  # fmt: skip
    validations = [{"epoch": 2, "macro_f1": 0.4}, {"epoch": 3, "macro_f1": 0.5}]
    configs = {"c" * 64: "seed = 7  # </script> & all\n"}
    return {"sessions": [session], "validations": validations, "configs": configs}


def step(epoch, number, loss):
    return {"lr": 0.1 / epoch, "loss": loss, "epoch": epoch, "iter": number, "step": number}


def score(epoch, macro_f1):
    return {"macro_f1": macro_f1, "accuracy": 0.6, "nll": 1.0, "step": epoch}


def answered(folder: Path, seed: int = 0, epochs: int = 6, attribute: str | None = None) -> Path:
    """Leave the card and the answers of epochs that are right on two of three photos."""
    random = np.random.default_rng(seed)
    person = np.repeat(np.arange(20), 7)
    photos = pd.DataFrame(
        {
            "image": [f"{seed}/{row}.jpg" for row in range(140)],
            "person": [f"p{one}" for one in person],
            "label": random.integers(18, size=140),
        }
    )
    classes = 18 if attribute is None else 3
    truth = photos["label"] if attribute is None else photos["label"] // 6
    answers = EpochAnswers.of(photos, attribute)
    for epoch in range(1, epochs + 1):
        right = random.random(140) < 0.66
        told = np.where(right, truth, random.integers(classes, size=140))
        answers = answers.with_epoch(epoch, told)
    folder.mkdir(parents=True, exist_ok=True)
    answers.write(folder)
    validations = [{"epoch": epoch, "macro_f1": one} for epoch, one in answers.scores.items()]
    card = read_card(folder) if (folder / CARD).exists() else {"sessions": [{}]}
    write_card(folder, {**card, "validations": validations})
    return folder
