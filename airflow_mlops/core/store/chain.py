"""The audit log: a chain of hashes over every record that matters, one chain per model and one for the store.

Each entry holds the hash of the entry before it, so none can be changed, left out or moved without a trace. A record is
announced before it is written: whatever our code has written stands in the chain, also when a writer was killed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from airflow_mlops.core.record import Record


class ChainEntry(Record):
    """One entry of ``audit/...``.

    :param event: ``announced``: ``key`` is about to be written with these bytes; ``written``: it was; ``removing``: it
        is about to be removed; ``read``: restricted data were read; ``adopted``: it was found without an entry of its
        own, and somebody vouches for it.
    :param key: of the record in the store; for ``read`` that of the dataset version.
    :param sha256: hash of the record's bytes, None where there are none.
    :param who: person or task that did it; ``run`` is the key of the Airflow run.
    :param previous: hash of the bytes of the entry before; of nothing (64 zeros) for the first.
    """

    event: Literal["announced", "written", "removing", "read", "adopted"]
    key: str
    sha256: str | None
    who: str
    run: str | None = None
    why: str = ""
    previous: str
    at: datetime
