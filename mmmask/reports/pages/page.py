"""Pages: one HTML file with everything in it, which opens anywhere and asks no network.

A page is a template of ``templates/`` that extends ``base.html``; what it shows is made of
:mod:`mmmask.reports.pages.parts`, :mod:`mmmask.reports.pages.charts` and
:mod:`mmmask.reports.pages.thumbnails`.
"""

import json
import time
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mmmask import __version__
from mmmask.files import atomic_write
from mmmask.reports.output import counted
from mmmask.reports.pages.parts import shown
from mmmask.reports.pages.thumbnails import NO_THUMBNAILS, Thumbnails


def write_page(path: str | Path, template: str, **content: Any) -> None:
    """Render a page and write it whole, or not at all; ``Args`` as of :func:`render`."""
    html = render(template, **content)
    with atomic_write(path) as partial:
        partial.write_text(html, encoding="utf-8")


def render(template: str, *, thumbnails: Thumbnails = NO_THUMBNAILS, **content: Any) -> str:
    """Return a page as text.

    Args:
        template: File name of a template that extends ``base.html``.
        thumbnails: The photos that tables and galleries refer to by number.
        content: What the template shows. All need ``title``, the page's heading; ``kind``, what
            sort of page it is, which stands above; and ``summary``, a line below.
    """
    made = f"mmmask {__version__}, {time.strftime('%Y-%m-%d %H:%M')}"
    page = _environment().get_template(template)
    # The sections of a page add themselves to the list of contents.
    return page.render(content, thumbnails=thumbnails, made=made, sections=[])


@cache
def _environment() -> Environment:
    """Return where templates are found, and the filters they know."""
    environment = Environment(
        loader=PackageLoader("mmmask.reports.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"counted": counted, "shown": shown, "data": as_data}
    return environment


def as_data(value: Any) -> Markup:
    """Return a value as JSON that may stand in a script element: nothing in it can end that."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))  # nosec B704 # nothing in it opens a tag
