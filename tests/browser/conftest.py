"""A real browser: Chromium without a window, driven by Playwright."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip
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
    faults: list[str] = []
    window.requests = []
    window.on(
        "console",
        lambda message: message.type in ("error", "warning") and faults.append(message.text),
    )
    window.on("pageerror", lambda error: faults.append(str(error)))
    window.on("requestfailed", lambda request: faults.append(f"failed: {request.url[:200]}"))
    window.on("request", lambda request: window.requests.append(request.url))
    yield window
    window.close()
    foreign = [url[:200] for url in window.requests if not url.startswith(LOCAL)]
    assert not faults, faults
    assert not foreign, foreign
