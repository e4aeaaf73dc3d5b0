"""The audit log as a list of events: who did what to which record, when, and what it changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from airflow_mlops.core.audit.links import Link, read_chain
from airflow_mlops.core.audit.verifying import chains_of
from airflow_mlops.core.audit.wording import in_words
from airflow_mlops.core.errors import KeyMissing
from airflow_mlops.core.record import Record
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.audited import Kind, kind_of
from airflow_mlops.core.store.chain import ChainEntry, Event

#: A larger record (a list of a hundred thousand objects) is named, and not shown.
_MOST_SHOWN_BYTES = 256 << 10


class AuditEvent(Record):
    """One entry of a chain, with the record that it speaks of.

    :param number, hash: of the entry in its chain.
    :param kind: what it is about; ``access`` for a reading.
    :param said: what it changed, in one line.
    :param record: the record as it is now, where it was written and has the bytes that were announced.
    """

    chain: str
    number: int
    hash: str
    at: datetime
    who: str
    run: str | None
    event: Event
    kind: Kind
    key: str
    sha256: str | None
    said: str
    why: str = ""
    record: Any = None


def events(store: Store, model: str | None = None, *, since: datetime | None = None) -> Iterator[AuditEvent]:
    """The events of a model, or of all models and the store, chain by chain in their order.

    :param since: only those from then on.
    :raises RegistryError: if the store knows nothing of the model.
    """
    for name in chains_of(store, model):
        for link, entry in read_chain(store, name).entries():
            if since is None or entry.at >= since:
                yield _event(store, name, link, entry)


def export(store: Store, model: str | None = None, *, since: datetime | None = None) -> Iterator[str]:
    """As :func:`events`, each as one line of JSON."""
    return (event.model_dump_json() for event in events(store, model, since=since))


def _event(store: Store, chain: str, link: Link, entry: ChainEntry) -> AuditEvent:
    record = _record(store, entry) if entry.event in ("written", "adopted") else None
    return AuditEvent(
        chain=chain,
        number=link.number,
        hash=link.sha256,
        at=entry.at,
        who=entry.who,
        run=entry.run,
        event=entry.event,
        kind="access" if entry.event == "read" else kind_of(entry.key) or "data",
        key=entry.key,
        sha256=entry.sha256,
        said=_said(entry, record),
        why=entry.why,
        record=record,
    )


def _said(entry: ChainEntry, record: Any) -> str:
    if entry.event == "read":
        return f"rows of {entry.key} were read"
    if entry.event == "removing":
        return f"{entry.key} is about to be removed"
    if entry.event == "announced":
        return f"{entry.key} is about to be written"
    told = in_words(entry.key, record) if isinstance(record, dict) else entry.key
    return f"adopted: {told}" if entry.event == "adopted" else told


def _record(store: Store, entry: ChainEntry) -> Any:
    """The record's JSON values; None if it is gone, is not the one that was written, or is large."""
    try:
        data = store.read(entry.key)
    except KeyMissing:
        return None
    if len(data) > _MOST_SHOWN_BYTES or hashlib.sha256(data).hexdigest() != entry.sha256:
        return None
    try:
        return json.loads(data)
    except ValueError:
        return None
