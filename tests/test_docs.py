"""README and docs/*.md name what is there, and the map shows every room."""

import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from tests.test_layers import FLOORS

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
README_BYTES = 12_000
#: Files that a page tells the reader to write.
TO_WRITE = {
    "configs/my_config.py",
    "configs/mobilenet_v2_poly.py",
    "mmmask/models/losses/poly.py",
}
#: A path from the root of the repository, or a block as a config names it.
PATH = re.compile(r"(?<![\w/.$-])(?:\.ci|configs|docs|mmmask|tests|tools|_base_)/[\w/.-]*\w")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def name(page: Path) -> str:
    return page.name


def named_paths(text: str) -> Iterator[str]:
    """Yield the files and folders that a text names, but no placeholders such as tools/NAME.py."""
    for path in PATH.findall(text):
        if not re.search(r"\b[A-Z]{2,}\b", path):
            yield f"configs/{path}" if path.startswith("_base_/") else path


def headings(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    return {
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_path_exists(page: Path) -> None:
    named = {*named_paths(page.read_text())} - TO_WRITE
    assert named
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    broken = []
    for link in LINK.findall(page.read_text()):
        if link.startswith("https://"):
            continue
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        if not target.exists() or (anchor and anchor not in headings(target)):
            broken.append(link)
    assert broken == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    found, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        found.add(page)
        files = {link.partition("#")[0] for link in LINK.findall(page.read_text())}
        linked = {(page.parent / file).resolve() for file in files if file.endswith(".md")}
        waiting += linked - found
    assert set(PAGES) <= found


def test_the_readme_is_short() -> None:
    assert (ROOT / "README.md").stat().st_size <= README_BYTES


def test_the_map_names_every_room() -> None:
    package = ROOT / "mmmask"
    code = [path for path in package.rglob("*.py") if path.parent == package or path.read_text()]
    rooms = {
        path.relative_to(ROOT).as_posix()
        if path.parent == package
        else f"{path.parent.relative_to(ROOT).as_posix()}/"
        for path in code
    }
    text = (ROOT / "docs/architecture.md").read_text()
    assert sorted(room for room in rooms if f"\n| `{room}` |" not in text) == []


def test_the_map_has_the_floors_that_imports_are_held_to() -> None:
    rows = re.findall(r"^\| (\d) \| (.+) \|$", (ROOT / "docs/architecture.md").read_text(), re.M)
    floors = {int(number): tuple(re.findall(r"`(\w+)`", rooms)) for number, rooms in rows}
    assert floors == dict(enumerate(FLOORS))


def test_the_cookbook_names_every_tool() -> None:
    text = (ROOT / "docs/cookbook.md").read_text()
    tools = [path.name for path in (ROOT / "tools").iterdir() if path.is_file()]
    assert sorted(tool for tool in tools if f"tools/{tool}" not in text) == []


def test_what_is_recommended_is_the_best_of_the_candidates() -> None:
    table = pd.read_csv(ROOT / "docs/results/faces_candidates.csv")
    best = table.loc[table.groupby("kind")["macro_f1"].idxmax()].set_index("kind")
    assert best["command"].to_dict() == {
        kind: f"make best-{kind}" for kind in ("single", "ensemble")
    }
    single = best.loc["single", "candidate"]
    assert f"$(call PROBE,single,{single}," in (ROOT / "Makefile").read_text()
    readme = (ROOT / "README.md").read_text()
    score = "{macro_f1:.3f} [{low:.3f}, {high:.3f}]".format(**best.loc["ensemble"])
    assert f"`{single}`" in readme and score in readme
