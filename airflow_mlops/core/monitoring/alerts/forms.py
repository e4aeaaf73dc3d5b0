"""An alert in the forms that notifiers send: plain text, HTML, Markdown, Slack's own."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from airflow_mlops.core.drawing.html import join, tag
from airflow_mlops.core.monitoring.alerts.alert import Alert

#: Signs that Markdown gives a meaning to.
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+!|~])")


def forms(alert: Alert) -> dict[str, Any]:
    """All that a template of a notifier may use, as ``mlops_alert``: plain JSON values.

    ``title``, ``how_bad``, ``next_step`` and each of ``details`` are one line of plain text; ``text`` is the whole
    message, and so are ``html``, ``markdown`` and ``slack``, in which everything that came from data is escaped.
    ``since`` is an ISO 8601 time or empty, ``link`` an address or empty.
    """
    return {
        "title": alert.headline,
        "text": alert.text,
        "html": to_html(alert),
        "markdown": to_markdown(alert),
        "slack": to_slack(alert),
        "severity": alert.severity,
        "state": alert.state,
        "kind": alert.kind,
        "model": alert.model,
        "link": alert.link or "",
        "next_step": alert.next_step,
        "how_bad": alert.how_bad,
        "since": alert.since.isoformat(timespec="seconds") if alert.since else "",
        "details": list(alert.details),
    }


def to_html(alert: Alert) -> str:
    """A piece of HTML for the body of a mail."""
    parts = [tag("p", tag("strong", alert.headline)), tag("p", alert.how_bad)]
    parts += [tag("p", alert.since_text)] if alert.since else []
    parts += [tag("ul", *(tag("li", line) for line in alert.details))] if alert.details else []
    parts += [tag("p", alert.next_step)]
    if alert.link:
        parts.append(
            tag("p", tag("a", alert.link, href=alert.link) if _browsable(alert.link) else alert.link)
        )
    return str(join(parts))


def to_markdown(alert: Alert) -> str:
    """Markdown, as chats and issue trackers read it."""
    lines = [f"**{_marked(alert.headline)}**", "", _marked(alert.how_bad)]
    lines += ["", _marked(alert.since_text)] if alert.since else []
    lines += ["", *(f"- {_marked(line)}" for line in alert.details)] if alert.details else []
    lines += ["", _marked(alert.next_step)]
    if alert.link:
        lines += ["", f"<{alert.link}>" if _browsable(alert.link) else _marked(alert.link)]
    return "\n".join(lines)


def to_slack(alert: Alert) -> str:
    """Slack's ``mrkdwn``: a category that is called ``<!channel>`` calls nobody.

    https://docs.slack.dev/messaging/formatting-message-text#escaping
    """
    lines = [f"*{_slack(alert.headline)}*", _slack(alert.how_bad)]
    lines += [alert.since_text] if alert.since else []
    lines += [f"• {_slack(line)}" for line in alert.details]
    lines += [_slack(alert.next_step)]
    if alert.link:
        lines.append(f"<{_slack(alert.link)}>" if _browsable(alert.link) else _slack(alert.link))
    return "\n".join(lines)


def _browsable(link: str) -> bool:
    """Whether a link may be one to click on: ``javascript:`` never is."""
    return urlsplit(link).scheme in ("http", "https") and not re.search(r"[\s<>|\"]", link)


def _marked(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", text)


def _slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
