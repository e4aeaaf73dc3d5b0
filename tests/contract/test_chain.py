"""The audit log's chain over every store: many writers at once leave one chain, and every record in it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from airflow_mlops.core.record import Record
from airflow_mlops.core.store import Log, Store
from airflow_mlops.core.store.chain import NOTHING, ChainEntry, entry_key, head_of

CHAIN = "audit/models/m"
WRITERS = 6


class Note(Record):
    """A small record."""

    number: int


def test_writers_in_a_race_leave_one_chain(open_again: Callable[[], Store]) -> None:
    each, parts = 3, ("deployments", "versions", "releases", "monitoring", "policy", "approvals")
    start = Barrier(WRITERS)

    def work(writer: int) -> None:
        log = Log(open_again(), f"models/m/{parts[writer]}", Note)
        start.wait()
        for number in range(each):
            log.append(Note(number=number), after=number)

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(work, range(WRITERS)))
    store, before = open_again(), NOTHING
    head = head_of(store, CHAIN)
    assert head.number == 2 * WRITERS * each
    seen: set[tuple[str, str]] = set()
    for number in range(1, head.number + 1):
        data = store.read(entry_key(CHAIN, number))
        entry = ChainEntry.from_bytes(data)
        assert entry.previous == before
        assert entry.event == "announced" or ("announced", entry.key) in seen
        assert entry.sha256 == hashlib.sha256(store.read(entry.key)).hexdigest()
        seen.add((entry.event, entry.key))
        before = hashlib.sha256(data).hexdigest()
    assert (len(seen), before) == (head.number, head.sha256)
