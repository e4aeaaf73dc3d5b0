"""One HTML page that needs nothing from outside and runs no script: it may be mailed, kept and printed.

What is given as plain text is escaped; :class:`Markup` is what these functions made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

from airflow_mlops.core.drawing import svg
from airflow_mlops.core.wording import plain

#: Nothing is loaded, run, sent or embedded; only the page's own style sheet counts.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE = """
:root{color-scheme:light dark;--page:#fff;--ink:#1c2126;--muted:#59626b;--rule:#d9dee3;--raised:#f5f7f9;--link:#0072b2;
--pass:#00694d;--fail:#b04a00}
@media screen and (prefers-color-scheme:dark){:root{--page:#16191d;--ink:#e8ebee;--muted:#a4adb6;--rule:#343b43;
--raised:#1e2328;--link:#6bbcf0;--pass:#2cc79a;--fail:#ff8f45}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);line-height:1.5;
font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}
main,header,nav,footer{max-width:62rem;margin:0 auto;padding:0 1.25rem}
header{padding-top:2rem}h1{font-size:1.6rem;line-height:1.25;margin:0 0 .75rem;overflow-wrap:anywhere}
h2{font-size:1.2rem;margin:2.5rem 0 .5rem;padding-top:.75rem;border-top:1px solid var(--rule)}
h3{font-size:1rem;margin:1.5rem 0 .25rem}p{margin:.5rem 0;max-width:48rem;overflow-wrap:anywhere}
a{color:var(--link)}:focus-visible{outline:2px solid var(--link);outline-offset:2px}
nav ul{display:flex;flex-wrap:wrap;gap:.25rem 1.1rem;list-style:none;margin:1rem 0 0;padding:0}
.verdict{border-left:.4rem solid var(--muted);background:var(--raised);padding:.75rem 1rem;max-width:none}
.verdict.pass{border-color:var(--pass)}.verdict.fail{border-color:var(--fail)}
.verdict strong{font-size:1.1rem}.pass>strong,td.pass,.better{color:var(--pass)}
.fail>strong,td.fail,.worse{color:var(--fail)}
td.pass,td.fail,td.inconclusive{font-weight:600;white-space:nowrap}.note,figcaption,caption{color:var(--muted)}
.scroll{overflow-x:auto;margin:.75rem 0}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
caption{text-align:left;padding:.25rem 0;font-size:.85rem}
th,td{text-align:left;vertical-align:top;padding:.3rem .9rem .3rem 0;border-bottom:1px solid var(--rule)}
thead th{color:var(--muted);font-weight:600;vertical-align:bottom}
tbody th{font-weight:500;min-width:8rem;max-width:22rem;overflow-wrap:anywhere}
.n{text-align:right;white-space:nowrap}code{font-size:.85rem;overflow-wrap:anywhere}
pre{overflow-x:auto;background:var(--raised);padding:.6rem .9rem;margin:.5rem 0}
figure{margin:.75rem 0;overflow-x:auto}figure svg{display:block}
figcaption{font-size:.85rem;max-width:48rem}dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1.25rem}
dt{color:var(--muted)}dd{margin:0;overflow-wrap:anywhere}footer{padding-top:1rem;padding-bottom:3rem}
@media print{pre{white-space:pre-wrap}
body{font-size:10pt}nav{display:none}.scroll,figure{overflow:visible}h2,h3{break-after:avoid}
figure,tr{break-inside:avoid}figure svg{max-width:100%;height:auto}}
"""


class Markup(str):
    """HTML that is safe as it is."""

    __slots__ = ()


Content = str | Markup


def text(content: object) -> Markup:
    """Plain text as HTML; what is HTML already stays as it is."""
    return content if isinstance(content, Markup) else Markup(escape(plain(str(content))))


def tag(name: str, *parts: object, **attributes: str) -> Markup:
    """An element; ``class_`` stands for ``class``, ``_`` within a name for ``-``."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value)}"' for key, value in attributes.items()
    )
    return Markup(f"<{name}{given}>{''.join(map(text, parts))}</{name}>")


def join(parts: Iterable[object]) -> Markup:
    """Elements one after another, each on its line."""
    return Markup("\n".join(map(text, parts)))


def listing(pairs: Iterable[tuple[str, object]]) -> Markup:
    """A list of names and what each one is."""
    return tag("dl", *(join((tag("dt", name), tag("dd", what))) for name, what in pairs))


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: int = 0) -> Markup:
    """A table; the first cell of each row is its heading.

    :param caption: what it shows, for everybody and for screen readers.
    :param rows: cells: text, or markup of a whole ``td`` (see :func:`cell`).
    :param numbers: so many last columns are aligned as numbers.
    """
    first = len(head) - numbers

    def look(place: int) -> dict[str, str]:
        return {"class_": "n"} if place >= first else {}

    headings = [tag("th", one, scope="col", **look(place)) for place, one in enumerate(head)]
    body = [
        tag(
            "tr",
            tag("th", row[0], scope="row"),
            *(
                one if _is_cell(one) else tag("td", one, **look(place))
                for place, one in enumerate(row[1:], start=1)
            ),
        )
        for row in rows
    ]
    whole = tag(
        "table", tag("caption", caption), tag("thead", tag("tr", *headings)), tag("tbody", join(body))
    )
    return tag("div", whole, class_="scroll", tabindex="0", role="region", aria_label=caption)


def cell(content: object, look: str) -> Markup:
    """A cell with a class of its own, for :func:`table`."""
    return tag("td", content, class_=look)


def _is_cell(content: object) -> bool:
    return isinstance(content, Markup) and content.startswith("<td")


def figure(picture: str, caption: str) -> Markup:
    """A picture of :func:`~airflow_mlops.core.drawing.svg.document` with what it shows below it."""
    return tag("figure", Markup(picture), tag("figcaption", caption), tabindex="0")


def section(heading: str, *parts: object) -> Markup:
    """A part of the page that its table of contents leads to."""
    return tag("section", join((tag("h2", heading, id=anchor(heading)), *parts)))


def anchor(heading: str) -> str:
    """What a heading is linked by."""
    return re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-")


def contents(headings: Iterable[str]) -> Markup:
    """Links to the sections."""
    links = [tag("li", tag("a", heading, href=f"#{anchor(heading)}")) for heading in headings]
    return tag("nav", tag("ul", join(links)), aria_label="Contents")


def page(title: str, *parts: object) -> str:
    """The whole page."""
    head = [
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        f"<title>{text(title)}</title>",
        f"<style>{_STYLE.strip()}\n{svg.dark()}</style>",
    ]
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>',
            *head,
            "</head>\n<body>",
            join(parts),
            "</body>\n</html>\n",
        ]
    )
