"""Pages from templates: whatever comes from data is text, and stays text."""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache
from typing import Any, Final

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from airflow_mlops.core import wording
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.wording import UNPRINTABLE
from airflow_mlops.ui.links import Links

#: Text of a record that is longer is cut: a page is for people, and a record may be of any size.
LONGEST: Final = 4000
#: Classes and identifiers are made from fixed words, never from data.
_NAME = re.compile(r"[^a-z0-9]+")


@cache
def environment() -> Environment:
    """The templates: every value is text and escaped, and one that is missing is an error."""
    made = Environment(
        loader=PackageLoader("airflow_mlops.ui"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_readable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["moment"] = wording.moment
    made.filters["ago"] = _ago
    made.filters["day"] = wording.day
    made.filters["span"] = wording.span
    made.filters["line"] = wording.line
    made.filters["count"] = wording.count
    made.filters["counted"] = wording.counted
    made.filters["anchor"] = anchor
    made.filters["picture"] = picture
    return made


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A page, or a part of one that replaces itself while somebody looks at it.

    Templates have ``links`` (:class:`~airflow_mlops.ui.links.Links`) besides the values.
    """
    text = environment().get_template(template).render(links=Links.of(request), **values)
    # A lone surrogate from a record has no UTF-8.
    return HTMLResponse(text.encode("utf-8", "replace"), status_code=status)


def error_page(request: Request, said: str, status: int, heading: str = "Models") -> HTMLResponse:
    """A page with one line that says what is wrong."""
    return page(request, "error.html", status=status, said=said, heading=heading)


def anchor(heading: str) -> str:
    """What a section is linked by."""
    return _NAME.sub("-", heading.lower()).strip("-")


def picture(svg: str) -> Markup:
    """A picture that :mod:`airflow_mlops.core.drawing` made, which escapes what it was given; nothing else."""
    return Markup(svg)  # noqa: S704 - the one place where markup comes from


def _ago(at: datetime | None) -> str:
    return wording.ago(at, utc_now())


def _readable(value: Any) -> Any:
    """Text without what would turn its direction or end it, and not longer than anybody reads."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    text = UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", value[: LONGEST + 1])
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"
