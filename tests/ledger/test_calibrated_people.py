import json

import pytest

from mmmask.evaluation.calibration import Calibration
from mmmask.ledger.calibrated_people import calibrated_on_people, calibration_origin


def fitted_on(split, fingerprint="a1", path="work/c.json"):
    return {"path": path, "hash": "0", "split": split, "data_fingerprint": fingerprint}


VERY = "calibrated by c.json, fitted on these very people: on others expect a somewhat lower score"
PERHAPS = VERY.replace("fitted on these very people", "perhaps fitted on these people too")


@pytest.mark.parametrize(
    ("stated", "sentence"),
    [
        ({"split": "oof", "calibration": fitted_on("oof")}, VERY),
        ({"split": "val", "calibration": fitted_on("oof", "b2")}, PERHAPS),
        ({"split": "val", "calibration": fitted_on("oof", None)}, PERHAPS),
        ({"split": "eval", "calibration": fitted_on("oof")}, None),
        ({"split": "eval", "calibration": fitted_on("eval")}, VERY),
        ({"split": "oof", "calibration": fitted_on(None)}, None),
        ({"calibration": fitted_on(None)}, None),
        ({"split": "oof", "calibrated": True}, None),
        ({"split": "oof", "members": [{"calibration": fitted_on("oof")}, {}]}, VERY),
        (
            {
                "split": "oof",
                "members": [
                    {"calibration": fitted_on("oof", path="d.json")},
                    {"calibration": fitted_on("val")},
                ],
            },
            VERY.replace("c.json", "d.json and c.json"),
        ),
    ],
)
def test_what_a_calibrated_score_says(stated, sentence) -> None:
    assert calibrated_on_people({"data_fingerprint": "a1", **stated}) == sentence


def test_the_origin_tells_what_a_calibration_was_fitted_on(tmp_path) -> None:
    path = tmp_path / "c.json"
    stated = {"split": "oof", "data_fingerprint": "a1", "people": 7}
    path.write_text(json.dumps(Calibration("temperature", 18, {"scale": 1.0}, stated).to_dict()))
    found = calibration_origin(path)
    assert found.pop("hash")
    assert found == {"path": str(path), "split": "oof", "data_fingerprint": "a1"}
