"""Take the pictures of README and docs: `make pictures` makes what they show, drawn faces alone."""

import argparse
import io
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image
from playwright.sync_api import sync_playwright

from mmmask.labels import age_group
from mmmask.reports.prediction_pictures import plot_faces
from mmmask.reports.shift_report import plot_simulation
from mmmask.reports.speed_plot import plot_speed
from mmmask.reports.technique_report import plot_techniques
from mmmask.tables import read_predictions
from mmmask.workflows.demo.answer import open_reader
from mmmask.workflows.demo.app import demo_app
from mmmask.workflows.label_errors.review import opened_review
from mmmask.workflows.label_errors.review_app import review_app
from tests.browser.conftest import FLAGS
from tests.served_app import served

#: Width of the window in pixels, and most colours of a picture, which keep its file small.
WIDTH, COLOURS = 1180, 256
#: Leaves these sections of a page, and takes out of them what a selector of CSS finds.
SHORTEN = """([ids, without]) => {
    for (const part of document.querySelectorAll("main > section"))
        part.hidden = ids.length > 0 && !ids.includes(part.id);
    if (without) for (const part of document.querySelectorAll(without)) part.remove();
}"""
#: Where the first row of photos ends, or, without photos in rows, the page.
END = """() => {
    const cards = [...document.querySelectorAll("section:not([hidden]) .cards li")]
        .map((card) => card.getBoundingClientRect());
    const row = cards.filter((card) => card.top === cards[0].top).map((card) => card.bottom + 16);
    return row.length ? Math.max(...row) + scrollY : document.documentElement.scrollHeight;
}"""


def keep(png: bytes, path: Path) -> None:
    """Write a picture with few colours, those of the page among them."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.quantize(COLOURS, Image.Quantize.FASTOCTREE).save(path, optimize=True)


def take(
    window: Any, path: Path, *, height: int = 3000, sections: Sequence[str] = (), without: str = ""
) -> None:
    """Write a picture of some sections, down to the first photos or ``height`` pixels at most."""
    window.evaluate(SHORTEN, [list(sections), without])
    window.wait_for_timeout(500)  # photos are decoded when they come into sight
    clip = {"x": 0, "y": 0, "width": WIDTH, "height": min(height, window.evaluate(END))}
    keep(window.screenshot(full_page=True, clip=clip), path)


def opened(window: Any, page: str) -> None:
    """Open a page and wait until its script has run."""
    window.goto(page)
    window.wait_for_selector("html[data-ready]", state="attached")


def take_pages(window: Any, made: Path, out: Path) -> None:
    """Take the pages that are files: data, run, comparison, map of the people."""
    opened(window, (made / "data.html").resolve().as_uri())
    take(window, out / "data_page.png", sections=["findings", "faces"])
    opened(window, (made / "run.html").resolve().as_uri())
    parts, some = ["findings", "curves", "mistakes"], "#curves .chart:nth-child(n + 4)"
    take(window, out / "run_page.png", sections=parts, without=some)
    opened(window, (made / "compare.html").resolve().as_uri())
    parts = ["findings", "pairs", "photos"]
    some = "#findings .table, #pairs .charts, #pairs .table tr:nth-child(n + 6)"
    take(window, out / "compare_page.png", sections=parts, without=some)

    opened(window, (made / "probe.html").resolve().as_uri())
    chart = window.locator("#people-map")
    chart.scroll_into_view_if_needed()
    chart.locator(".field").focus()
    for _ in range(3):
        window.keyboard.press("ArrowRight")
    chart.locator(".one img").wait_for()
    window.evaluate("document.activeElement.blur()")
    window.wait_for_timeout(500)
    keep(chart.screenshot(), out / "people_map.png")


def take_review(window: Any, made: Path, out: Path) -> None:
    """Take the review of wrong labels, after a few decisions."""
    data, oof = made / "data", made / "probe" / "oof.parquet"
    with opened_review(made / "suspects.csv", made / "corrections.csv", data_root=data) as review:
        app = review_app(review, data, opinions=oof)
        with served(app) as address:
            window.goto(address)
            window.wait_for_selector("html[data-review]", state="attached")
            for key in "aka":
                window.keyboard.press(key)
                window.wait_for_selector("html:not([data-busy])", state="attached")
            take(window, out / "review_page.png", height=725)


def take_demo(window: Any, made: Path, out: Path) -> None:
    """Take where the evidence lies for a mask worn wrongly, of the first face answered rightly."""
    (config,), (checkpoint,) = (made / "run").glob("*.py"), (made / "run").glob("best_*.pth")
    with served(demo_app(open_reader(config, checkpoint))) as address:
        opened(window, address)
        for photo in sorted((made / "large").glob("train/images/*/incorrect_mask.*")):
            window.locator("#file").set_input_files(str(photo))
            window.locator("#result").wait_for()
            _, gender, _, age = photo.parent.name.split("_")
            group = ("under 30", "30 to 59", "60 and over")[int(age_group(int(age)))]
            if window.locator("#title").inner_text() == f"Mask worn wrongly, {gender}, {group}":
                break
        window.get_by_role("button", name="Where the network looked for mask").click()
        window.locator("#looked", has_text="What speaks for").wait_for()
        take(window, out / "demo_page.png", height=1130)


def plot_all(made: Path, out: Path) -> None:
    """Plot the answers for people in eval/, and the figures of docs/results/ from their tables."""
    answers = read_predictions(made / "run" / "predictions_eval_tta.parquet")
    plot_faces(answers, made / "data", out / "faces.jpg", rows=2)
    results = out / "results"
    plot_techniques(pd.read_csv(results / "faces_techniques.csv"), results / "faces_techniques.png")
    speed = results / "benchmark_cpu"
    plot_speed(pd.read_csv(speed / "summary.csv"), speed / "speed.png")
    for name in ("fine_tuned_200", "frozen_200"):
        table = results / "prior_shift" / f"{name}.csv"
        plot_simulation(pd.read_csv(table), table.with_suffix(".png"))
    for path in results.rglob("*.png"):
        keep(path.read_bytes(), path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("made", type=Path, help="what `make pictures` has made")
    parser.add_argument("out", type=Path, help="folder of the pictures")
    args = parser.parse_args()
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=list(FLAGS))
        window = browser.new_page(
            viewport={"width": WIDTH, "height": 800}, color_scheme="light", reduced_motion="reduce"
        )
        take_pages(window, args.made, args.out)
        take_review(window, args.made, args.out)
        take_demo(window, args.made, args.out)
        browser.close()
    plot_all(args.made, args.out)


if __name__ == "__main__":
    main()
