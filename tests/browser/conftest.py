"""A real browser: Chromium without a window, driven by Playwright."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mmmask.drawing.drawn_faces import draw_dataset

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",  # a camera
)  # fmt: skip
#: What Chromium says of a refusal, which an app's page tells in words of its own.
REFUSAL = "Failed to load resource: the server responded with a status of 400"
#: Where a page may be from: this machine alone.
LOCAL = ("file://", "data:", "blob:", "about:", "http://127.0.0.1", "http://localhost")


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """Start Chromium once for the tests of this folder; they skip where it is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright (extra test)")
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next((path for name in names if (path := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"none of {', '.join(names)} is installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def page(browser) -> Iterator[Any]:
    """A window of 1440 x 900.

    The test fails if the console shows an error or a warning, if a script throws, or if the page
    asks for anything from outside this machine. ``page.requests`` lists what it asked for.
    """
    window = browser.new_page(viewport={"width": 1440, "height": 900})
    window.set_default_timeout(90_000)  # milliseconds; a busy machine is no fault of the page
    faults: list[str] = []
    window.requests = []
    window.on(
        "console",
        lambda message: (
            message.type in ("error", "warning")
            and not message.text.startswith(REFUSAL)
            and faults.append(message.text)
        ),
    )
    window.on("pageerror", lambda error: faults.append(str(error)))
    window.on("requestfailed", lambda request: faults.append(f"failed: {request.url[:200]}"))
    window.on("request", lambda request: window.requests.append(request.url))
    yield window
    window.close()
    foreign = [url[:200] for url in window.requests if not url.startswith(LOCAL)]
    assert not faults, faults
    assert not foreign, foreign


@pytest.fixture(scope="session")
def drawn(tmp_path_factory) -> Path:
    """A data root of 12 drawn people, and 2 in eval/; not to be changed."""
    root = tmp_path_factory.mktemp("drawn") / "data"
    draw_dataset(root, people=12, eval_people=2, seed=3, size=(48, 64), processes=1)
    return root


def opened(page: Any, path: Path) -> None:
    """Open a page of ours and wait until its script has run."""
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready]", state="attached")


def is_accessible(page: Any) -> list[str]:
    """Return what is wrong for those who do not see the page: names, landmarks, doubled ids."""
    return page.evaluate(
        """() => {
            const all = (selector) => [...document.querySelectorAll(selector)];
            const ids = all("[id]").map((node) => node.id);
            const named = (node) => node.textContent.trim() || node.getAttribute("aria-label") ||
                node.labels?.[0]?.textContent.trim();
            const refers = (node, name) => (node.getAttribute(name) ?? "").split(" ")
                .every((id) => document.getElementById(id)?.textContent.trim());
            return [
                ...ids.filter((id, k) => ids.indexOf(id) !== k).map((id) => `id ${id} twice`),
                ...all("img:not([alt])").map((node) => `img without alt: ${node.src.slice(0, 40)}`),
                ...all("button, select, input, a").filter((node) => !named(node))
                    .map((node) => `no name: ${node.outerHTML.slice(0, 80)}`),
                ...["aria-labelledby", "aria-describedby"].flatMap((name) =>
                    all("[role=img]").filter((node) => !refers(node, name)).map(() => name)),
                ...all("table").filter((node) => !node.caption?.textContent.trim())
                    .map(() => "table without caption"),
                ...["main", "nav[aria-label]", "header", "footer", "h1"]
                    .filter((selector) => all(selector).length !== 1).map((s) => `not one ${s}`),
                ...all("a[href^='#']").filter((node) => !document.querySelector(node.hash))
                    .map((node) => `link to nowhere: ${node.hash}`),
            ];
        }"""
    )
