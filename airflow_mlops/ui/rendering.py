"""Pages from templates: whatever comes from data is text, and stays text."""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from airflow_mlops.ui.mounted import PREFIX


@cache
def environment() -> Environment:
    """The templates: every value is escaped, and one that is missing is an error."""
    made = Environment(
        loader=PackageLoader("airflow_mlops.ui"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["prefix"] = PREFIX
    made.filters["moment"] = lambda at: f"{at:%Y-%m-%d %H:%M} UTC" if at else "never"
    return made


def page(template: str, **values: Any) -> HTMLResponse:
    """A page, or a part of one that replaces itself while somebody looks at it."""
    return HTMLResponse(environment().get_template(template).render(**values))


def error_page(said: str) -> str:
    """A page with one line that says what is wrong."""
    return environment().get_template("error.html").render(said=said)
