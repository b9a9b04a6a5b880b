"""Pages: one HTML file with everything in it, which opens anywhere and asks no network.

A page is a template of ``templates/`` that extends ``base.html``; what it shows is made of
:mod:`mmmask.reports.pages.parts`, :mod:`mmmask.reports.pages.charts` and
:mod:`mmmask.reports.pages.thumbnails`.
"""

import json
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mmmask import __version__
from mmmask.files import atomic_write
from mmmask.reports.pages.parts import shown
from mmmask.reports.pages.thumbnails import NO_THUMBNAILS, Thumbnails


def write_page(
    path: str | Path,
    template: str,
    *,
    title: str,
    kind: str,
    summary: str,
    sections: Sequence[tuple[str, str]],
    thumbnails: Thumbnails = NO_THUMBNAILS,
    **content: Any,
) -> None:
    """Render a page and write it whole, or not at all.

    Args:
        path: Where it goes; ends in .html by custom.
        template: File name of a template that extends ``base.html``.
        title: The page's heading.
        kind: What sort of page it is, such as "data page"; stands above the heading.
        summary: One line below the heading.
        sections: (id, name) of the sections, for the list of contents.
        thumbnails: The photos that tables and galleries refer to by number.
        content: What else the template shows.
    """
    html = render(
        template,
        title=title,
        kind=kind,
        summary=summary,
        sections=sections,
        thumbnails=thumbnails,
        **content,
    )
    with atomic_write(path) as partial:
        partial.write_text(html, encoding="utf-8")


def render(template: str, *, thumbnails: Thumbnails = NO_THUMBNAILS, **content: Any) -> str:
    """Return a page as text; ``Args`` as of :func:`write_page`, whose names it needs too."""
    made = f"mmmask {__version__}, {time.strftime('%Y-%m-%d %H:%M')}"
    page = _environment().get_template(template)
    return page.render(photos=thumbnails.data, made=made, **content)


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
    environment.filters["shown"] = shown
    environment.filters["data"] = as_data
    return environment


def as_data(value: Any) -> Markup:
    """Return a value as JSON that may stand in a script element: nothing in it can end that."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))
