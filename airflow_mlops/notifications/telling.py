"""From what a task found to messages: which are due, sent one by one, each written down at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.record import utc_now
from airflow_mlops.notifications.sending import send

if TYPE_CHECKING:
    from airflow.sdk import BaseNotifier

    from airflow_mlops.core.monitoring.alerts.alert import Found
    from airflow_mlops.core.store import Store


def tell(
    store: Store,
    model: str,
    found: Found,
    *,
    run: str,
    repeat: timedelta,
    notifiers: Sequence[BaseNotifier],
    context: Mapping[str, Any],
    log: Any,
    now: datetime | None = None,
) -> dict[str, list[str]]:
    """Send what is due and write it down.

    A task that dies between sending a message and writing it down sends that one again: people are told at least once.

    :param run: key of the run; what it has told before is not told again.
    :param repeat: after so long an alert that lasts is told again.
    :returns: kinds, by what became of them: ``sent``, ``resolved``, ``unsent`` and ``quiet`` (told before).
    """
    from airflow_mlops.core.monitoring.alerts.log import alert_log, due, record

    now = now or utc_now()
    entries = alert_log(store, model)
    messages = due((entry for _, entry in entries.entries()), found, run=run, now=now, repeat=repeat)
    told: dict[str, list[str]] = {"sent": [], "resolved": [], "unsent": []}
    for alert in messages:
        delivered = send(alert, notifiers, context, log)
        record(entries, alert, run=run, delivered=delivered, now=now)
        became = "unsent" if not delivered else "resolved" if alert.state == "resolved" else "sent"
        told[became].append(alert.kind)
    due_now = {alert.kind for alert in messages}
    return {**told, "quiet": [alert.kind for alert in found.alerts if alert.kind not in due_now]}
