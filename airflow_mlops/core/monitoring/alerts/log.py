"""What people were told: once for one cause, again when it lasts or gets worse, and when it is over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from airflow_mlops.core.monitoring.alerts.alert import SEVERITIES, Alert, Found, Kind, State
from airflow_mlops.core.record import Record
from airflow_mlops.core.store import Log, Store
from airflow_mlops.core.wording import moment

#: A look that comes a little early still counts: a daily look repeats a daily alert every day.
_EARLY = 0.95


class AlertEntry(Record):
    """One message.

    :param run: key of the Airflow run that told it.
    :param delivered: whether anybody could be told; what was not is due again at the next look.
    :param at: when it was told.
    """

    alert: Alert
    run: str
    delivered: bool
    at: datetime


def alert_log(store: Store, model: str) -> Log[AlertEntry]:
    """The log of all messages about a model, oldest first."""
    return Log(store, f"models/{model}/alerts", AlertEntry)


def due(
    entries: Iterable[AlertEntry], found: Found, *, run: str, now: datetime, repeat: timedelta
) -> tuple[Alert, ...]:
    """Which messages are due, the worst first.

    Of each kind one alert is open at most: another cause (a new champion drifts, too) replaces the one before. An alert
    of the same cause is due again when it is more severe or about something that nobody was told of, and when
    ``repeat`` has passed. When its kind was judged and it isn't found any more, one message says that it is resolved.
    What nobody could be told, and what this task does not judge or happened once, is due again.

    Idempotent by run: what ``entries`` hold of this run as delivered is not due again. A task that dies between sending
    and writing sends again: people are told at least once.

    :param entries: the log, oldest first.
    """
    log = list(entries)
    told = [entry for entry in log if entry.delivered]
    here = {(entry.alert.kind, entry.alert.cause) for entry in told if entry.run == run}
    messages = _lost(log, found)
    for alert in found.alerts:
        state = (
            None if (alert.kind, alert.cause) in here else _state(_episode(told, alert), alert, now, repeat)
        )
        if state is not None:
            messages.append(_told(alert, state, _episode(told, alert)))
    present = {alert.kind for alert in found.alerts}
    for kind in sorted(found.judged - present):
        open_ = _open(told, kind)
        if open_:
            messages.append(_resolution(open_, now))
    return tuple(sorted(messages, key=lambda one: -SEVERITIES.index(one.severity)))


def _lost(log: Sequence[AlertEntry], found: Found) -> list[Alert]:
    """Messages that could not be sent when they were due, and that this task will not find again by itself."""
    newest = {(entry.alert.kind, entry.alert.cause): entry for entry in log}
    present = {(alert.kind, alert.cause) for alert in found.alerts}
    return [
        entry.alert
        for key, entry in newest.items()
        if not entry.delivered
        and key not in present
        and (not entry.alert.lasts or entry.alert.kind not in found.judged)
    ]


def open_alerts(entries: Iterable[AlertEntry]) -> tuple[AlertEntry, ...]:
    """The newest message of each alert that lasts, the worst first. :param entries: the log, oldest first."""
    told = [entry for entry in entries if entry.delivered]
    kinds = dict.fromkeys(entry.alert.kind for entry in told)
    newest = [episode[-1] for kind in kinds if (episode := _open(told, kind))]
    return tuple(sorted(newest, key=lambda one: -SEVERITIES.index(one.alert.severity)))


def record(log: Log[AlertEntry], alert: Alert, *, run: str, delivered: bool, now: datetime) -> None:
    """Write down that a message was sent, or could not be; a retry finds its own entry."""
    entry = AlertEntry(alert=alert, run=run, delivered=delivered, at=now)
    key = (run, alert.kind, alert.cause, alert.state, delivered)

    def same(other: AlertEntry) -> bool:
        return key == (
            other.run,
            other.alert.kind,
            other.alert.cause,
            other.alert.state,
            other.delivered,
        )

    log.append_once(entry, same)


def _open(told: Sequence[AlertEntry], kind: Kind) -> list[AlertEntry]:
    """The messages of the alert of this kind that lasts, oldest first; none when there is none."""
    episode: list[AlertEntry] = []
    for entry in told:
        if entry.alert.kind != kind:
            continue
        if entry.alert.state == "resolved":
            episode = []
        elif episode and episode[-1].alert.cause != entry.alert.cause:
            episode = [entry]
        else:
            episode.append(entry)
    return episode if episode and episode[-1].alert.lasts else []


def _episode(told: Sequence[AlertEntry], alert: Alert) -> list[AlertEntry]:
    """What was told of this very alert."""
    if not alert.lasts:
        return [entry for entry in told if (entry.alert.kind, entry.alert.cause) == (alert.kind, alert.cause)]
    episode = _open(told, alert.kind)
    return episode if episode and episode[-1].alert.cause == alert.cause else []


def _state(episode: Sequence[AlertEntry], alert: Alert, now: datetime, repeat: timedelta) -> State | None:
    """What makes the alert due; None when nothing does."""
    if not episode:
        return "new"
    if not alert.lasts:
        return None
    loudest = max(SEVERITIES.index(entry.alert.severity) for entry in episode)
    known = {name for entry in episode for name in entry.alert.about}
    if SEVERITIES.index(alert.severity) > loudest or set(alert.about) - known:
        return "worse"
    return "lasting" if now - episode[-1].at >= _EARLY * repeat else None


def _told(alert: Alert, state: State, episode: Sequence[AlertEntry]) -> Alert:
    """The alert as a message: it began when it was first found, if nobody knows an earlier time."""
    if not episode:
        return alert
    began = [one for one in (alert.since, *(entry.alert.since for entry in episode)) if one]
    since = min(began) if began else episode[0].alert.at
    return alert.model_copy(update={"state": state, "since": since})


def _resolution(episode: Sequence[AlertEntry], now: datetime) -> Alert:
    """One message that an alert is over."""
    last = episode[-1].alert
    since = min(entry.alert.since or entry.alert.at for entry in episode)
    changes = {
        "state": "resolved",
        "severity": "info",
        "how_bad": f"It lasted from {moment(since)} to {moment(now)}.",
        "since": since,
        "details": (),
        "about": (),
        "next_step": "Nothing has to be done.",
        "at": now,
    }
    return last.model_copy(update=changes)
