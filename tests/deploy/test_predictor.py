import subprocess
import sys

import cv2
import numpy as np
import pandas as pd
import pytest

import mmmask
from mmmask.datasets.face_window import FaceCrop
from mmmask.datasets.photos import Geometry
from mmmask.datasets.preparation import Preparation
from mmmask.deploy.networks import Answer
from mmmask.deploy.predictor import Predictor
from mmmask.errors import InputError, MissingFileError
from mmmask.evaluation.calibration import Calibration
from mmmask.labels import CLASSES, group_probabilities
from mmmask.table_checks import checked
from mmmask.tables import ANSWERS, PREDICTIONS, PROBABILITIES, probabilities, years_of

pytest.importorskip("onnxruntime", reason="needs onnxruntime (extra predict)")


def softmax(values):
    values = np.exp(values - values.max(axis=1, keepdims=True))
    return values / values.sum(axis=1, keepdims=True)


@pytest.fixture
def photos():
    return list(np.random.default_rng(0).integers(0, 256, (5, 40, 30, 3), dtype=np.uint8))


@pytest.fixture
def folder(tmp_path, photos):
    root = tmp_path / "photos"
    (root / "sub").mkdir(parents=True)
    for row, photo in enumerate(photos):
        cv2.imwrite(str(root / ("sub" if row % 2 else ".") / f"{row}.png"), photo)
    return root


def test_arrays_are_taken_in_bgr_and_answered_in_their_order(make_onnx):
    weight = np.zeros((3, 18))
    weight[0, 2], weight[1, 9], weight[2, 16] = 5, 5, 5  # blue, green, red
    predictor = Predictor(make_onnx(weight=weight), batch_size=2)
    colours = np.eye(3, dtype=np.uint8)[:, None, None] * np.full((40, 30, 1), 255, dtype=np.uint8)
    table = predictor(list(colours))
    assert table["image"].tolist() == ["0", "1", "2"]
    assert probabilities(table).argmax(axis=1).tolist() == [2, 9, 16]
    np.testing.assert_allclose(probabilities(table), softmax(weight), rtol=1e-5)


def test_a_folder_its_files_and_their_pixels_have_the_same_predictions(make_onnx, folder):
    predictor = Predictor(make_onnx())
    table = predictor(folder)
    assert table["image"].tolist() == sorted(["0.png", "2.png", "4.png", "sub/1.png", "sub/3.png"])
    assert table.columns.tolist() == ["image", *PROBABILITIES]
    checked(table, PREDICTIONS, "table")
    paths = [folder / image for image in table["image"]]
    of_paths = predictor(paths)
    assert of_paths["image"].tolist() == [path.as_posix() for path in paths]
    of_pixels = predictor([cv2.imread(str(path)) for path in paths])
    for other in (of_paths, of_pixels, pd.concat([predictor(path) for path in map(str, paths)])):
        np.testing.assert_array_equal(probabilities(other), probabilities(table))


def test_photos_are_prepared_as_the_test_pipeline_prepares_them(make_onnx, folder):
    pytest.importorskip("mmpretrain")
    from mmmask.datasets.transforms import LoadPhoto, Preprocess

    steps = Preparation(Geometry((8, 6), (0.7, 0.9)))
    predictor = Predictor(make_onnx(preparation=steps))
    seen = []
    network = predictor.network

    class Spy:
        name, facts = network.name, network.facts

        def __call__(self, batch):
            seen.append(batch)
            return network(batch)

    table = Predictor(Spy())(folder)
    for image, photo in zip(table["image"], seen[0], strict=True):
        expected = LoadPhoto()({"img_path": str(folder / image)})
        expected = Preprocess(size=(8, 6), crop=(0.7, 0.9))(expected)["img"]
        np.testing.assert_array_equal(photo, expected)


def test_a_model_of_cropped_faces_needs_a_box_for_each_photo(make_onnx, photos):
    crop = FaceCrop(aspect=8 / 6, margin=0.0, fallback="whole", typical=(0.2, 0.2, 0.8, 0.8))
    path = make_onnx(preparation=Preparation(Geometry((8, 6)), crop))
    predictor = Predictor(path)
    boxes = [[6, 8, 18, 24], [np.nan] * 4]
    table = predictor(photos[:2], boxes=boxes)
    whole = Predictor(make_onnx())
    expected = whole([photos[0][8:24, 6:18], photos[1]])
    np.testing.assert_array_equal(probabilities(table), probabilities(expected))
    with pytest.raises(InputError, match=r"trained on photos cropped to faces; give boxes"):
        predictor(photos)
    with pytest.raises(InputError, match=r"boxes must have shape \(5, 4\); got \(2, 4\)"):
        predictor(photos, boxes=boxes)
    with pytest.raises(InputError, match="boxes must be None"):
        whole(photos[:2], boxes=boxes)


def test_with_tta_the_mirror_image_counts_as_much(make_onnx, photos):
    path = make_onnx()
    predictor = Predictor(path, tta=True)
    photos = [photo[:8, :6] for photo in photos]  # of the network's size
    one, other = (
        probabilities(Predictor(path)(some)) for some in (photos, [p[:, ::-1] for p in photos])
    )
    table = predictor(photos)
    assert np.abs(one - other).max() > 0.01
    np.testing.assert_allclose(probabilities(table), (one + other) / 2, rtol=1e-6)
    assert table.attrs["provenance"]["tta"] == ["identity", "hflip"]
    with pytest.raises(InputError, match="averages the views identity, zoom"):
        Predictor(make_onnx(views=("identity", "zoom")), tta=True)


def test_a_model_of_years_moves_its_cut(make_onnx, photos):
    path = make_onnx(years=True)
    table = Predictor(path)(photos)
    years = years_of(table)
    np.testing.assert_allclose(years.sum(axis=1), 1, rtol=1e-5)
    moved = Predictor(path, old_from=50)(photos)
    assert moved.attrs["provenance"]["old_from"] == 50
    shares = years[:, 50:60].sum(axis=1) / group_probabilities(years)[:, 1]
    before, after = probabilities(table).astype(float), probabilities(moved)
    np.testing.assert_allclose(after[:, 1], before[:, 1] * (1 - shares), rtol=1e-4)
    with pytest.raises(InputError, match="old_from=58 needs a model of years"):
        Predictor(make_onnx(), old_from=58)


def test_a_model_of_one_attribute_has_its_columns(make_onnx, photos):
    table = Predictor(make_onnx(attribute="gender", old_from=None))(photos)
    assert table.columns.tolist() == ["image", "gender_0", "gender_1"]
    answers = mmmask.readable(table)
    assert answers.columns.tolist() == ["image", "gender", "probability", "gender_probability"]
    assert answers["gender"].tolist() == [
        ("male", "female")[k] for k in probabilities(table).argmax(axis=1)
    ]


def test_answers_are_in_words_and_belong_together(make_onnx, photos):
    table = Predictor(make_onnx(years=True))(photos)
    answers = checked(mmmask.readable(table), ANSWERS, "answers")
    words = answers["mask"] + " " + answers["gender"] + " " + answers["age_group"]
    assert words.tolist() == [CLASSES[k] for k in answers["answer"]]
    joint = probabilities(table).reshape(-1, 3, 2, 3)
    for row, mask in enumerate(answers["mask"]):
        k = ("wear", "incorrect", "normal").index(mask)
        assert answers["mask_probability"][row] == pytest.approx(joint[row, k].sum(), rel=1e-5)
    assert answers["median_age"].between(0, 120).all()
    assert (answers["probability"] == probabilities(table).max(axis=1)).all()


def test_a_calibration_is_applied_where_it_belongs(make_onnx, photos, tmp_path):
    import json

    calibration = Calibration("temperature", 18, {"scale": 0.5}, {"old_from": 60})
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(calibration.to_dict()))
    model = make_onnx()
    plain, calibrated = Predictor(model)(photos), Predictor(model, calibration=path)(photos)
    expected = softmax(0.5 * np.log(probabilities(plain)))
    np.testing.assert_allclose(probabilities(calibrated), expected, rtol=1e-4)
    assert calibrated.attrs["provenance"]["calibration"] == str(path)
    other = make_onnx(old_from=57)
    with pytest.raises(InputError, match="another age cut"):
        Predictor(other, calibration=path)(photos)


def test_predictions_say_where_they_come_from(make_onnx, photos):
    path = make_onnx()
    provenance = Predictor(path)(photos).attrs["provenance"]
    assert provenance["checkpoint_hash"] == "0" * 64
    assert provenance["preprocessing"] == {"size": [8, 6]}
    assert provenance["old_from"] == 60
    assert provenance["model"] == str(path)
    assert "onnxruntime" in provenance["versions"]


@pytest.mark.parametrize("options", [{}, {"tta": True}])
def test_answers_that_are_not_finite_are_refused_by_file(make_onnx, photos, options):
    path = make_onnx(weight=np.full((3, 18), np.nan))
    with pytest.raises(InputError, match=f"^{path}: the model's outputs are not finite numbers"):
        Predictor(path, **options)(photos)


def test_answers_that_are_no_probabilities_are_refused_by_model_and_photo(make_onnx, photos):
    network = Predictor(make_onnx()).network

    class Halved:
        name, facts = network.name, network.facts

        def __call__(self, batch):
            values, years = network(batch)
            return Answer(values * [[1], [1], [0.5], [1], [1]], years)

    sentence = rf"^predictions of {network.name}, row 3 \(2\): p00 to p17 must sum to 1; got 0.5"
    with pytest.raises(InputError, match=sentence):
        Predictor(Halved())(photos)


@pytest.mark.parametrize(
    ("photos", "sentence"),
    [
        ([], "got none"),
        ([np.zeros((4, 4, 3))], r"photo 0 must be uint8 .*; got float64 \(4, 4, 3\)"),
        ([np.zeros((4, 4), dtype=np.uint8)], r"got uint8 \(4, 4\)"),
        ([3], "a photo must be a path or an array; got int"),
    ],
)
def test_what_is_no_photo_is_refused(make_onnx, photos, sentence):
    with pytest.raises(InputError, match=sentence):
        Predictor(make_onnx())(photos)


def test_a_broken_photo_is_named(make_onnx, folder):
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(InputError, match=r"broken\.jpg: not a photo that can be decoded"):
        Predictor(make_onnx())(folder)
    with pytest.raises(MissingFileError, match=r"gone\.jpg: no such photo"):
        Predictor(make_onnx())([folder / "gone.jpg"])


def test_a_broken_a_foreign_and_a_missing_model_are_refused_in_a_sentence(make_onnx, tmp_path):
    with pytest.raises(MissingFileError, match=r"gone\.onnx: no such file"):
        Predictor(tmp_path / "gone.onnx")
    broken = tmp_path / "broken.onnx"
    for content in (b"", b"not a model", make_onnx().read_bytes()[:300]):
        broken.write_bytes(content)
        with pytest.raises(InputError, match=r"broken\.onnx: (not a model|a model that)") as caught:
            Predictor(broken)
        assert "\n" not in str(caught.value)
    import onnx

    model = onnx.load(make_onnx())
    del model.metadata_props[:]
    foreign = tmp_path / "foreign.onnx"
    onnx.save(model, foreign)
    with pytest.raises(InputError, match=r"foreign\.onnx: a model that tools/export\.py wrote"):
        Predictor(foreign)


def test_without_onnxruntime_it_says_how_to_install_it(make_onnx, monkeypatch):
    model = make_onnx()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"model\.onnx: .* needs onnxruntime: pip install onnxrun"):
        Predictor(model)


@pytest.mark.parametrize(
    ("metadata", "sentence"),
    [
        ({"mmmask": "2"}, "its format must be 1; got 2"),
        ({"classes": '["a"]'}, "its classes must be wear male <30, .*; got a"),
        ({"preparation": "{}"}, "its metadata are damaged: 'faces'"),
        ({"preparation": '{"size": [0, 1], "crop": [1, 1], "faces": null, "at_least": null}'},
         "preprocessing.size must be"),
        ({"views": "["}, "its metadata are damaged"),
        ({"years": "true"}, "inputs and outputs must be|Invalid|not a model"),
    ],
)  # fmt: skip
def test_facts_that_are_damaged_are_refused(make_onnx, metadata, sentence):
    with pytest.raises(InputError, match=sentence):
        Predictor(make_onnx(metadata=metadata))


def test_it_runs_where_neither_torch_nor_openmmlab_can_be_imported(make_onnx, folder):
    """In a process of its own, in which importing any of them fails."""
    code = f"""
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {{
            "torch", "torchvision", "mmengine", "mmcv", "mmpretrain", "timm", "onnx", "matplotlib",
            "sklearn", "PIL",
        }}:
            raise ImportError(f"{{name}} is blocked")

sys.meta_path.insert(0, Blocked())
import mmmask

table = mmmask.Predictor({str(make_onnx())!r}, tta=True)({str(folder)!r})
print(len(mmmask.readable(table)), table.filter(regex="^p").sum(axis=1).round(5).unique())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "5 [1.]\n"
