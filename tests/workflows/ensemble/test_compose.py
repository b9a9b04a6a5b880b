import numpy as np
import pytest
from simulated_tables import attribute_alone, simulated, with_years

from mmmask.errors import InputError
from mmmask.evaluation.calibrated_tables import calibrated
from mmmask.labels import ATTRIBUTES, marginals
from mmmask.tables import probabilities, read_predictions, years_of
from mmmask.workflows.calibrate import calibrate
from mmmask.workflows.ensemble.combine import ensemble
from mmmask.workflows.ensemble.compose import compose_attributes


@pytest.fixture
def parts(write) -> dict:
    """Attribute -> predictions out of fold of a model of its own."""
    fold = np.repeat(np.arange(40) % 5, 7)
    return {
        name: write(
            f"{name}.parquet",
            attribute_alone(simulated(seed=seed), name).assign(fold=fold),
            old_from=60 if name == "age" else None,
        )
        for seed, name in enumerate(ATTRIBUTES)
    }


def test_out_of_fold_tables_of_three_attributes_make_one_of_the_classes(parts, tmp_path) -> None:
    found = compose_attributes([*parts.values()], out=tmp_path / "oof.parquet")
    table = read_predictions(found.path)
    for name, values in marginals(probabilities(table)).items():
        expected = probabilities(read_predictions(parts[name]))
        np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-6)
    assert table["fold"].nunique() == 5 and table["label"].notna().all()
    stated = table.attrs["provenance"]
    assert (stated["split"], stated["old_from"]) == ("oof", 60)
    assert [part["attribute"] for part in stated["composed_of"]] == list(ATTRIBUTES)


def test_several_models_of_an_attribute_are_averaged_first(parts, write, tmp_path) -> None:
    second = write("age2.parquet", attribute_alone(simulated(seed=9), "age"))
    found = compose_attributes([*parts.values(), second], out=tmp_path / "out.parquet").table
    expected = np.mean([probabilities(read_predictions(p)) for p in (parts["age"], second)], axis=0)
    ages = marginals(probabilities(found))["age"]
    np.testing.assert_allclose(ages, expected, rtol=1e-4, atol=1e-6)


def test_what_was_composed_is_a_member_of_an_ensemble(parts, write, tmp_path) -> None:
    composed = compose_attributes([*parts.values()], out=tmp_path / "composed.parquet").path
    other = write("other.parquet", simulated(seed=7))
    found = ensemble([composed, other], vote="weighted", out=tmp_path / "out.parquet")
    assert found.members["weight"][:2].sum() == pytest.approx(1)


def test_years_of_the_age_model_stay(parts, write, tmp_path) -> None:
    years = with_years(simulated(seed=2)).filter(regex="image|label|person|year_")
    ages = attribute_alone(simulated(seed=2), "age").merge(years.drop(columns=["label", "person"]))
    parts["age"] = write("age.parquet", ages)
    found = compose_attributes([*parts.values()], out=tmp_path / "o.parquet", old_from=57).table
    expected = years_of(read_predictions(parts["age"]))
    np.testing.assert_allclose(years_of(found), expected, rtol=1e-5, atol=1e-7)
    old = marginals(probabilities(found))["age"][:, 2]
    np.testing.assert_allclose(old, expected[:, 57:].sum(axis=1), atol=1e-5)


def test_each_table_has_its_own_calibration(parts, tmp_path) -> None:
    files = [tmp_path / f"{name}.json" for name in parts]
    for path, file in zip(parts.values(), files, strict=True):
        calibrate(path, file)
    found = compose_attributes([*parts.values()], calibrations=files, out=tmp_path / "o.parquet")
    gender = marginals(probabilities(found.table))["gender"]
    path = parts["gender"]
    expected = probabilities(calibrated(read_predictions(path), path, tmp_path / "gender.json"))
    np.testing.assert_allclose(gender, expected, rtol=1e-4, atol=1e-6)


def test_an_attribute_without_a_table_and_other_tables_are_refused(parts, three, tmp_path) -> None:
    for paths in ([parts["mask"], parts["age"]], [*parts.values(), three[0]]):
        with pytest.raises(InputError, match="at least one each and nothing else; got"):
            compose_attributes(paths, out=tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()
