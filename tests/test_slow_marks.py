"""Since when a change of configs or models lets the slow tests run."""

import subprocess
from pathlib import Path

import pytest

from tests.conftest import configs_changed


def git(folder: Path, *command: str) -> None:
    me = ("-c", "user.name=tester", "-c", "user.email=tester@example.org")
    subprocess.run(["git", *me, *command], cwd=folder, check=True, capture_output=True)


def commit(folder: Path, name: str = "README.md") -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write("changed\n")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", f"Change {name}")


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A repository of twelve commits that leave configs alone."""
    folder = tmp_path / "origin"
    folder.mkdir()
    git(folder, "init", "-q")
    for _ in range(12):
        commit(folder)
    return folder


def cloned(origin: Path) -> Path:
    git(origin.parent, "clone", "-q", str(origin), "clone")
    return origin.parent / "clone"


def test_every_commit_that_is_not_upstream_counts(origin: Path) -> None:
    clone = cloned(origin)
    assert not configs_changed(clone)
    commit(clone, "configs/leaf.py")
    for _ in range(11):
        commit(clone)
    assert configs_changed(clone)


def test_what_is_upstream_already_does_not_count(origin: Path) -> None:
    commit(origin, "configs/leaf.py")
    clone = cloned(origin)
    commit(clone)
    assert not configs_changed(clone)


def test_of_a_fresh_clone_the_last_ten_commits_count(origin: Path) -> None:
    commit(origin, "mmmask/models/head.py")
    for _ in range(9):
        commit(origin)
    assert configs_changed(cloned(origin))
    commit(origin)
    assert not configs_changed(origin), "without upstream, likewise"


def test_an_edit_without_a_commit_counts(origin: Path) -> None:
    commit(origin, "configs/leaf.py")
    clone = cloned(origin)
    commit(clone)
    (clone / "configs" / "leaf.py").write_text("edited")
    assert configs_changed(clone)


def test_where_git_cannot_tell_they_run(tmp_path: Path) -> None:
    assert configs_changed(tmp_path), "no repository"
    git(tmp_path, "init", "-q")
    commit(tmp_path)
    assert configs_changed(tmp_path), "fewer than ten commits"
