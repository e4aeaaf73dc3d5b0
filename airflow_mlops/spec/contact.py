"""Where the people behind a model are reached: an address, a URL or a channel."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_ADDRESS = re.compile(r"[^\s@,;<>()/:]+@[^\s@,;<>()/:]+")
_CHANNEL = re.compile(r"[#@][^\s#@].*")
_FORMS = "an address (ml@example.com), a URL (https://example.com/on-call) or a channel (#ml-on-call)"


def contact_link(contact: str) -> str | None:
    """What a click on a contact opens: the URL, or ``mailto:`` and the address; None for a channel or an empty text.

    :raises ValueError: if it is nothing of these.
    """
    if not contact or (_CHANNEL.fullmatch(contact) and contact.isprintable()):
        return None
    if _ADDRESS.fullmatch(contact):
        return f"mailto:{contact}"
    if _is_url(contact):
        return contact
    raise ValueError(f"expected {_FORMS}")


def _is_url(text: str) -> bool:
    """Whether a browser can open it. A password in it would stand in Airflow's UI."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    written = text.isprintable() and not set(text) & set(" <>\"'()")
    return written and parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
