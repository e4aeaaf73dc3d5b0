"""Notifiers with the fields of those that are not installed, which keep what they would have sent."""

from __future__ import annotations

import logging
from typing import Any, ClassVar

from airflow.sdk import BaseNotifier

from airflow_mlops.core.monitoring.alerts.alert import Alert
from tests.core.monitoring.looked import START


class SlackNotifier(BaseNotifier):
    """The arguments and fields of ``airflow.providers.slack.notifications.slack.SlackNotifier``."""

    template_fields = ("text", "channel", "username", "attachments", "blocks", "proxy", "slack_conn_id")
    sent: ClassVar[list[dict[str, Any]]] = []

    def __init__(
        self,
        *,
        slack_conn_id: str = "slack_api_default",
        text: str = "This is a default message",
        channel: str = "#general",
        username: str = "Airflow",
        attachments: Any = (),
        blocks: Any = (),
        proxy: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.slack_conn_id = slack_conn_id
        self.text = text
        self.channel = channel
        self.username = username
        self.attachments = attachments
        self.blocks = blocks
        self.proxy = proxy

    def notify(self, context: Any) -> None:
        self.sent.append({"text": self.text, "channel": self.channel, "blocks": self.blocks})


class AsyncOnly(BaseNotifier):
    """One that only knows async."""

    template_fields = ("message",)
    sent: ClassVar[list[str]] = []

    def __init__(self, message: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.message = message

    async def async_notify(self, context: Any) -> None:
        self.sent.append(self.message)


class Broken(BaseNotifier):
    """One whose other side refuses, and says so with a secret."""

    template_fields = ("text",)

    def __init__(self, text: str = "", error: Exception | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.text = text
        self.error = error or RuntimeError(
            "404 for https://hooks.example.com/services/T0/B0/verysecret?key=1\nand xoxb-1234567890-abcdefghijklmn"
        )

    def notify(self, context: Any) -> None:
        raise self.error


def alert(**fields: Any) -> Alert:
    base: dict[str, Any] = {
        "model": "orders",
        "kind": "drift",
        "severity": "warning",
        "title": "orders: 1 of 3 columns drifted: amount",
        "how_bad": "The drifted columns carry 60% of what moves the model's answers.",
        "since": START,
        "details": ("amount: <b>mean</b> 3 -> 6",),
        "link": "http://localhost:8080/dags/orders.monitor/runs/r1",
        "next_step": "Next: find out what changed.",
        "cause": "version 3",
        "about": ("amount",),
        "at": START,
    }
    return Alert(**{**base, **fields})


LOG = logging.getLogger("alerts under test")
