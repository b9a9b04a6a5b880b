import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from mmmask.ledger import provenance
from mmmask.ledger.provenance import code_version, fingerprint, made_now
from mmmask.tables import PREDICTIONS, PROBABILITIES, read_provenance, write_table


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """A copy of the package's sources, which a test may change."""
    package = tmp_path / "mmmask"
    ignored = shutil.ignore_patterns("__pycache__", "templates")
    shutil.copytree(provenance._PACKAGE, package, ignore=ignored)
    code_version()  # is kept, and is that of the sources as they are
    monkeypatch.setattr(provenance, "_PACKAGE", package)
    return package


def fresh_hash() -> str:
    return code_version.__wrapped__()["hash"]


def test_the_code_is_known_by_its_commit_and_whether_it_was_changed(package) -> None:
    fresh = code_version.__wrapped__
    outside = fresh()
    assert (outside["commit"], outside["dirty"]) == (None, None)

    def git(*command: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        folder = str(package.parent)
        subprocess.run(["git", "-C", folder, *who, *command], check=True, capture_output=True)

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


@pytest.mark.parametrize(
    ("file", "decides"),
    [
        ("tables.py", True),
        ("labels.py", True),
        ("datasets/splits.py", True),
        ("engine/allocator.py", True),  # only a function imports it
        ("models/losses/focal.py", True),
        ("engine/optim/wrappers.py", True),
        ("engine/runner.py", True),
        ("workflows/train.py", True),
        ("workflows/testing.py", True),
        ("deploy/predictor.py", True),
        ("evaluation/prior_shift/simulation.py", False),
        ("reports/score_tables.py", False),
        ("ledger/cards.py", False),
        ("workflows/runs.py", False),
        ("drawing/portrait.py", False),
    ],
)
def test_code_decides_where_training_or_prediction_imports_it(package, file, decides) -> None:
    path = package / file
    path.write_text(path.read_text() + "\nADDED = 0\n")
    assert (fresh_hash() != code_version()["hash"]) is decides


def test_a_value_decides(package) -> None:
    path, sources = package / "tables.py", (package / "tables.py").read_text()
    found = set()
    for value in ("0", "None", "[]", "''"):
        path.write_text(f"{sources}\nADDED = {value}\n")
        found.add(fresh_hash())
    assert len(found) == 4


def test_comments_docstrings_and_layout_change_nothing(package) -> None:
    before = fresh_hash()
    path = package / "labels.py"
    start, rest = path.read_text().split('"""', 2)[1:]
    path.write_text(f'"""{start} Said better."""\n# Why.\n\n\n{rest}')
    assert fresh_hash() == before


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
