import numpy as np
import pandas as pd
import pytest

from mmmask.errors import InputError, MissingFileError
from mmmask.labels import decode, encode
from mmmask.workflows.more_samples.label_external import conditioned, known_joint, read_photos


def photos(**columns) -> pd.DataFrame:
    table = pd.DataFrame(columns)
    if "age" in table:
        table["age"] = table["age"].astype("Int16")
    return table


def test_what_is_known_leaves_the_classes_that_agree() -> None:
    table = photos(mask=["wear", None, None], gender=["female", "male", None], age=[None, 59, None])
    allowed = known_joint(table, old_from=58)
    for row, expected in enumerate(
        ([(0, 1, age) for age in range(3)], [(mask, 0, 2) for mask in range(3)], None)
    ):
        classes = range(18) if expected is None else [int(encode(*part)) for part in expected]
        assert np.flatnonzero(allowed[row]).tolist() == list(classes)


def test_a_posterior_is_that_of_a_loop_over_the_classes() -> None:
    joint = np.random.default_rng(0).dirichlet(np.ones(18), size=5).astype(np.float32)
    allowed = known_joint(photos(mask=["normal"] * 5, gender=["male"] * 5), old_from=60)
    posterior = conditioned(joint, allowed)
    for row in range(5):
        right = [
            label
            for label in range(18)
            if (decode(label)["mask"], decode(label)["gender"]) == (2, 0)
        ]
        total = sum(float(joint[row, label]) for label in right)
        for label in range(18):
            expected = float(joint[row, label]) / total if label in right else 0.0
            assert posterior[row, label] == pytest.approx(expected)


def test_with_mask_and_gender_known_a_decomposed_model_decides_by_its_age_marginal() -> None:
    random = np.random.default_rng(1)
    mask, gender, age = (random.dirichlet(np.ones(k), size=4) for k in (3, 2, 3))
    joint = np.einsum("nm,ng,na->nmga", mask, gender, age).reshape(4, 18)
    allowed = known_joint(photos(mask=["wear"] * 4, gender=["male"] * 4), old_from=60)
    np.testing.assert_allclose(conditioned(joint, allowed)[:, :3], age)


def test_a_model_that_rules_out_what_is_known_leaves_no_nan() -> None:
    joint = np.eye(18)[[17]]
    posterior = conditioned(joint, known_joint(photos(mask=["wear"]), old_from=60))
    np.testing.assert_allclose(posterior[0], [1 / 6] * 6 + [0] * 12)


def test_images_become_relative_to_the_data_root(make_layout, tmp_path) -> None:
    root = make_layout([("000001", "male", 20)], eval_photos=2)
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "a").mkdir(parents=True)
    photo = next((root / "eval" / "images").iterdir()).read_bytes()
    (elsewhere / "a" / "x.jpg").write_bytes(photo)
    (elsewhere / "y.jpg").write_bytes(photo)
    table = read_photos(elsewhere, root)
    assert all((root / image).is_file() for image in table["image"])
    assert table["person"].is_unique

    listed = elsewhere / "list.csv"
    listed.write_text("image,person,mask,age\ny.jpg,anna,wear,\na/x.jpg,,,61\n")
    table = read_photos(listed, root)
    assert table["person"].tolist() == ["anna", "external/../elsewhere/a/x.jpg"]
    assert table["age"].tolist() == [pd.NA, 61]


def test_input_at_fault_is_named(tmp_path) -> None:
    (tmp_path / "x.jpg").write_bytes(b"")
    listed = tmp_path / "list.csv"
    listed.write_text("image\nx.jpg\ngone.jpg\n")
    with pytest.raises(MissingFileError, match=r"1 photos are missing, the first is .*gone\.jpg"):
        read_photos(listed, tmp_path)
    listed.write_text("image\nx.jpg\nx.jpg\n")
    with pytest.raises(InputError, match=r"x\.jpg appears twice"):
        read_photos(listed, tmp_path)
    listed.write_text("image,mask\nx.jpg,worn\n")
    with pytest.raises(InputError, match="mask must be one of wear, incorrect, normal; got 'worn'"):
        read_photos(listed, tmp_path)
