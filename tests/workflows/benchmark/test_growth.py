import pytest

from mmmask.workflows.benchmark.growth import STEPS, make_index, measure_growth, read_index


def test_the_made_up_index_has_the_photos_asked_for(tmp_path) -> None:
    make_index(tmp_path, 70)
    samples = read_index(tmp_path)
    assert len(samples) == 70
    assert samples["person"].nunique() == 10


@pytest.mark.slow
def test_each_step_is_measured_at_each_size() -> None:
    grown = measure_growth((70, 140))
    assert sorted(map(tuple, grown[["step", "photos"]].values)) == sorted(
        (step, size) for step in STEPS for size in (70, 140)
    )
    assert (grown["seconds"] > 0).all()
    assert (grown["memory_mb"] >= 0).all()
