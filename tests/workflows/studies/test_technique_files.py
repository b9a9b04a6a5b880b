"""The files of features that techniques need, made by a tiny drawn data set's network."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS

import mmmask.register  # noqa: F401
from mmmask.drawing.drawn_faces import draw_dataset
from mmmask.errors import InputError
from mmmask.workflows.studies.technique_data import ensure_files, open_files
from mmmask.workflows.studies.technique_space import read_techniques
from mmmask.workflows.studies.techniques import TechniqueStudy

CONFIG = Path(__file__).parents[3] / "configs" / "face_probe.py"
SPACE = """
features = dict(
    mirror=dict(view="hflip"),
    layer=dict(options={"backbone.out_indices": (9,), "features": 512}),
    part=dict(columns=(0, 512)),
    unused=dict(view="zoom"),
)
groups = [dict(name="g", baseline=dict(name="b"), techniques=[
    dict(name="t", test_views=["base", "mirror"]),
    dict(name="u", features=["layer", "part"]),
])]
"""


@pytest.fixture
def study(tmp_path) -> TechniqueStudy:
    draw_dataset(tmp_path / "data", people=6, eval_people=1, seed=0, size=(48, 64), processes=1)
    init_default_scope("mmpretrain")
    torch.manual_seed(0)
    net = MODELS.build({"type": "FoldedMobileNetV1"})
    net.init_weights()
    weights = {f"backbone.{name}": value for name, value in net.state_dict().items()}
    torch.save({"state_dict": weights}, tmp_path / "weights.pth")
    (tmp_path / "space.py").write_text(SPACE)
    return TechniqueStudy(
        config=CONFIG,
        techniques=tmp_path / "space.py",
        features=tmp_path / "features.arrow",
        seeds=(0,),
        out=tmp_path / "out",
        data_root=str(tmp_path / "data"),
        pretrained=str(tmp_path / "weights.pth"),
        options=("preprocessing.size=(32,24)", "train_dataloader.num_workers=0"),
    )


def test_files_that_are_needed_are_made_once(study) -> None:
    space = read_techniques(study.techniques)
    paths = ensure_files(study.load, space, study.features, study.out)
    assert set(paths) == {"base", "mirror", "layer"}
    files = open_files(paths, space)
    images = files.photos("train/")
    assert len(images) == 6 * 7 and files.photos("eval/")
    base, mirror, layer, part = (
        files.of([name], images) for name in ("base", "mirror", "layer", "part")
    )
    assert base.shape == mirror.shape == (42, 1536)
    assert np.abs(base - mirror).max() > 1e-3
    np.testing.assert_allclose(layer, part, atol=1e-5)
    np.testing.assert_array_equal(part, base[:, :512])
    times = {path: path.stat().st_mtime_ns for path in paths.values()}
    assert ensure_files(study.load, space, study.features, study.out) == paths
    assert times == {path: path.stat().st_mtime_ns for path in paths.values()}


def test_an_option_and_a_flag_that_disagree_are_refused(study) -> None:
    wrong = TechniqueStudy(**{**vars(study), "options": ("pretrained=other.pth",)})
    with pytest.raises(InputError, match="contradicts --pretrained"):
        wrong.load(None, {})


@pytest.mark.parametrize("name", ["train_cfg.Cs", "data.split_seed", "optim_wrapper.optimizer.lr"])
def test_an_option_without_effect_is_refused(study, name) -> None:
    wrong = TechniqueStudy(**{**vars(study), "options": (f"{name}=1",)})
    with pytest.raises(InputError, match=f"{name} has no effect on techniques"):
        wrong.load(None, {})
