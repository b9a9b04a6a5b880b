"""Photos of one's own, from folders or a list to a table, a probe and a page: three commands."""

from pathlib import Path

import pandas as pd
import pytest
import torch
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS

import mmmask.register  # noqa: F401
from mmmask.datasets.layout import read_train
from mmmask.tables import read_predictions

from .conftest import SMALL, tool

pytestmark = pytest.mark.slow

SMALL_PROBE = ("preprocessing.size=(32,24)", "train_dataloader.num_workers=0", "data.folds=3")


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Path:
    """Random weights of the face network."""
    init_default_scope("mmpretrain")
    torch.manual_seed(0)
    net = MODELS.build({"type": "FoldedMobileNetV1"})
    net.init_weights()
    path = tmp_path_factory.mktemp("network") / "weights.pth"
    weights = {f"backbone.{name}": value for name, value in net.state_dict().items()}
    torch.save({"state_dict": weights}, path)
    return path


@pytest.fixture
def samples(drawn) -> pd.DataFrame:
    """The drawn photos, ``image`` absolute."""
    table = read_train(drawn)
    return table.assign(image=[str(drawn / image) for image in table["image"]])


def link(samples: pd.DataFrame, names: list[str], folder: Path) -> Path:
    """Lay photos below a folder by other names."""
    for image, name in zip(samples["image"], names, strict=True):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(image)
    return folder


def as_utkface(samples: pd.DataFrame, folder: Path) -> Path:
    """Lay bare faces below a folder, by names of UTKFace: age, gender (1: female), race, time."""
    bare = samples[samples["mask"] == "normal"]
    names = [
        f"{age}_{int(gender == 'female')}_2_{20170109142408000 + row}.jpg.chip.jpg"
        for row, (age, gender) in enumerate(zip(bare["age"], bare["gender"], strict=True))
    ]
    return link(bare, names, folder)


def done(name: str, *arguments: object) -> str:
    """Run a tool, and return what it printed."""
    process = tool(name, *arguments)
    assert process.returncode == 0, process.stderr
    assert "Traceback" not in process.stderr
    return process.stdout


def probe(tables: list[Path], network: Path, out: Path) -> pd.DataFrame:
    """Probe the face network on tables, and return its answers out of fold."""
    given = ["--pretrained", network, "--work-dir", out, "--no-eval"]
    options = ["--cfg-options", *SMALL_PROBE]
    done("linear_probe.py", "configs/face_probe.py", "--table", *tables, *given, *options)
    return read_predictions(out / "oof.parquet")


def page(of: Path, out: Path) -> str:
    """Return the page of a table or a run."""
    done("report.py", of, "--out", out, "--faces", 2)
    return out.read_text()


def test_a_folder_for_each_class_is_learned_from(samples, network, tmp_path) -> None:
    names = [
        f"{number % 18}/{person}/{Path(image).name}"
        for number, (person, image) in enumerate(
            zip(samples["person"], samples["image"], strict=True)
        )
    ]
    # A photo's class: the number of its folder, whatever the photo shows.
    src, table = link(samples, names, tmp_path / "photos"), tmp_path / "photos.csv"
    classes = [f"{label}=label:{label}" for label in range(18)]
    done("import_data.py", "folders", src, "--out", table, "--person-folders", "--map", *classes)
    answers = probe([table], network, tmp_path / "probe")
    folder = [int(image.split("photos/")[1].split("/")[0]) for image in answers["image"]]
    assert answers["label"].tolist() == folder
    assert answers["person"].nunique() == 24
    assert "168 photos of 24 people" in page(table, tmp_path / "table.html")
    assert "168 photos of 24 people" in page(tmp_path / "probe", tmp_path / "probe.html")


def test_a_list_of_ones_own_is_learned_from(samples, network, tmp_path) -> None:
    listed, table = tmp_path / "list.csv", tmp_path / "table.csv"
    told = {
        "path": samples["image"],
        "who": samples["person"],
        "sex": samples["gender"].map({"male": "M", "female": "F"}),
        "cover": samples["mask"].map({"wear": "on", "incorrect": "chin", "normal": "off"}),
        "years": samples["age"],
    }
    pd.DataFrame(told).to_csv(listed, index=False)
    columns = "image=path,person=who,gender=sex,mask=cover,age=years"
    mapping = ["gender:M=male", "gender:F=female"]
    mapping += ["mask:on=wear", "mask:chin=incorrect", "mask:off=normal"]
    given = ["--out", table, "--columns", columns, "--map", *mapping]
    done("import_data.py", "csv", listed, *given)
    answers = probe([table], network, tmp_path / "probe")
    assert answers["age"].tolist() == samples["age"].tolist()
    assert answers["person"].tolist() == samples["person"].tolist()
    assert answers["label"].notna().all()
    assert "168 photos of 24 people" in page(table, tmp_path / "table.html")
    assert "168 photos of 24 people" in page(tmp_path / "probe", tmp_path / "probe.html")


def test_a_set_of_masks_and_a_set_of_ages_are_learned_from_together(
    samples, network, tmp_path
) -> None:
    masks, utk = tmp_path / "masks.csv", tmp_path / "utk.csv"
    src = as_utkface(samples, tmp_path / "UTKFace")
    done("import_data.py", "utkface", src, "--out", utk, "--set", "mask=normal")
    alone = probe([utk], network, tmp_path / "alone")
    assert {*alone["label"]} <= {*range(12, 18)}  # nobody wears a mask
    assert "People by age" in page(utk, tmp_path / "utk.html")
    assert "24 photos" in page(tmp_path / "alone", tmp_path / "alone.html")

    covered = samples[samples["mask"] != "normal"]
    names = [f"{mask}/{row}.jpg" for row, mask in enumerate(covered["mask"])]
    src = link(covered, names, tmp_path / "masks")
    mapping = ["wear=wear", "incorrect=incorrect"]
    done("import_data.py", "folders", src, "--out", masks, "--map", *mapping)
    html = page(masks, tmp_path / "masks.html")
    assert "No photo tells the age" in html
    assert "People by age" not in html
    both = probe([masks, utk], network, tmp_path / "both")
    assert both.groupby("source").size().to_dict() == {"UTKFace": 24, "masks": 144}
    labelled = both.groupby("source")["label"].count().to_dict()
    assert labelled == {"UTKFace": 24, "masks": 0}
    assert "168 photos" in page(tmp_path / "both", tmp_path / "both.html")


def test_a_table_of_the_layout_trains_the_same_weights_as_the_layout(drawn, tmp_path) -> None:
    table = tmp_path / "all.csv"
    done("import_data.py", "competition", drawn, "--out", table)
    options = [*SMALL, "train_cfg.max_epochs=1", "train_dataloader.num_workers=0"]
    found = []
    for name, given in (("layout", []), ("table", ["--table", table])):
        run = tmp_path / name / "run"
        common = ["--work-dir", run, "--pretrained", "none", "--cfg-options", *options]
        config = "configs/mobilenet_v2_decomposed_dldl.py"
        done("train.py", config, "--data-root", drawn, *given, *common)
        found.append(torch.load(run / "epoch_1.pth", weights_only=False)["state_dict"])
    assert found[0].keys() == found[1].keys()
    for key, value in found[0].items():
        assert torch.equal(value, found[1][key]), key
