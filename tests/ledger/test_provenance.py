import subprocess

import pandas as pd

from mmmask.ledger import provenance
from mmmask.ledger.provenance import code_version, fingerprint, made_now
from mmmask.tables import PREDICTIONS, PROBABILITIES, read_provenance, write_table


def test_the_code_is_known_by_commit_and_by_the_sources_that_predictions_depend_on(
    tmp_path, monkeypatch
) -> None:
    package = tmp_path / "mmmask"
    (package / "models").mkdir(parents=True)
    (package / "workflows").mkdir()
    (package / "models" / "head.py").write_text("a = 1\n")
    monkeypatch.setattr(provenance, "_PACKAGE", package)
    fresh = code_version.__wrapped__
    outside = fresh()
    assert (outside["commit"], outside["dirty"]) == (None, None)

    def git(*command: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", "-C", tmp_path, *who, *command], check=True, capture_output=True)

    git("init")
    git("add", ".")
    git("commit", "-m", "one")
    clean = fresh()
    assert len(clean["commit"]) == 40
    assert clean["dirty"] is False
    assert clean["hash"] == outside["hash"]
    (package / "workflows" / "new.py").write_text("b = 1\n")
    report = fresh()
    assert report["dirty"] is True
    assert report["hash"] == clean["hash"], "predictions do not depend on it"
    (package / "models" / "head.py").write_text("a = 2\n")
    assert fresh()["hash"] != clean["hash"]


def test_a_fingerprint_is_of_photos_people_and_labels_alone() -> None:
    samples = pd.DataFrame({"image": ["a", "b"], "person": "p", "label": pd.array([1, 2], "Int8")})
    same = samples.assign(label=samples["label"].astype("int64"), weight=0.5)
    assert fingerprint(samples) == fingerprint(same)
    assert fingerprint(samples) != fingerprint(samples.assign(label=[1, 3]))
    assert fingerprint(samples) != fingerprint(samples[::-1])


def test_provenance_is_read_without_the_rows(tmp_path) -> None:
    table = pd.DataFrame({"image": ["a"]}).assign(**dict.fromkeys(PROBABILITIES, 1 / 18))
    made = made_now()
    write_table(tmp_path / "a.parquet", table, PREDICTIONS, made)
    assert read_provenance(tmp_path / "a.parquet") == made
    table.to_parquet(tmp_path / "b.parquet")
    assert read_provenance(tmp_path / "b.parquet") == {}
