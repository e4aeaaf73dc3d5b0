"""Is everything still as it was written? The chains, the records in them, and the bytes that those name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from airflow_mlops.core.audit.blobs import Blobs
from airflow_mlops.core.audit.history import told_of
from airflow_mlops.core.audit.in_place import InPlace
from airflow_mlops.core.audit.links import breaks, read_chain, unlike
from airflow_mlops.core.audit.records import changed, keys_of, read_records, unfinished
from airflow_mlops.core.audit.report import AuditReport, ChainSummary, Finding
from airflow_mlops.core.data.erasures import Erasure
from airflow_mlops.core.data.source import DataRoot
from airflow_mlops.core.errors import RegistryError, StoreError
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.serving.hours import children
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.audited import (
    AUDIT,
    OF_DATASET,
    STORE_CHAIN,
    chain_of,
    model_chain,
)
from airflow_mlops.core.store.chain import head_of
from airflow_mlops.core.store.results import parse
from airflow_mlops.core.wording import some

#: Of more versions than this whose data were not looked up, the first are named.
_MOST_NAMED = 3


def head(store: Store, model: str | None = None) -> str:
    """The newest entry of a model's audit log, or of the store's own, as ``number:hash``.

    Noted where nobody who may write to the store may write too, it is an anchor: see ``expect`` of :func:`verify`.
    """
    return str(head_of(store, model_chain(model) if model else STORE_CHAIN))


def verify(
    store: Store,
    model: str | None = None,
    *,
    expect: str | None = None,
    deep: bool = True,
    root: DataRoot | None = None,
    progress: Progress = ignore,
) -> AuditReport:
    """Look for anything that was changed past the audit log.

    :param model: only its chain and its records; without one, those of all models and of the store.
    :param expect: a head that was noted earlier, ``number:hash``: of the model's chain, or of the store's own.
    :param deep: hash every blob that the records name, too.
    :param root: the data root; without it, data that are pinned in a bucket are not looked up.
    :raises SpecError: if ``expect`` is no head.
    :raises RegistryError: if the store knows nothing of the model.
    :raises StoreError: if the store can't be read.
    """
    chains = chains_of(store, model)
    look = _Look(store, deep, root, progress)
    findings: list[Finding] = []
    for chain in chains:
        progress(f"{chain}: reading")
        findings += look.at(chain, expect if chain == (chains[0] if model else STORE_CHAIN) else None)
    if deep:
        findings += look.blobs.check()
    return AuditReport(
        store=store.uri,
        chains=tuple(look.summaries),
        findings=tuple(findings),
        records=look.records,
        blobs=look.blobs.count,
        blob_bytes=look.blobs.size,
        in_place=look.in_place.count,
        unfinished=look.unfinished,
        notes=tuple(look.notes()),
    )


def models_of(store: Store) -> tuple[str, ...]:
    """Names of all models that the store knows, or has had an audit log of."""
    names = {
        name for place in (f"{AUDIT}/models", "models", "endpoints") for name in children(store, f"{place}/")
    }
    for place in OF_DATASET:
        names |= {name.partition("__")[0] for name in children(store, f"{place}/")}
    return tuple(sorted(names))


@dataclass
class _Look:
    """One look at a store."""

    store: Store
    deep: bool
    root: DataRoot | None
    progress: Progress
    summaries: list[ChainSummary] = field(default_factory=list)
    records: int = 0
    unfinished: int = 0

    def __post_init__(self) -> None:
        erasures = list(_erasures(self.store))
        excused = frozenset(one for erasure in erasures for one in erasure.removed)
        stones = [stone for erasure in erasures for stone in erasure.tombstones]
        self.blobs = Blobs(self.store, excused, self.progress)
        self.in_place = InPlace(self.store, self.root, stones, self.progress)

    def at(self, name: str, expect: str | None) -> Iterator[Finding]:
        """What is wrong with a chain, and with its records; both may grow meanwhile.

        A record is announced before it is written: what is listed first stands in the chain that is read next, and what
        that one tells beyond is looked up again.
        """
        found: dict[str, str] = {}
        yield from self._read(keys_of(self.store, name), name, found)
        chain = read_chain(self.store, name, self.progress)
        self.summaries.append(ChainSummary(chain=name, entries=len(chain.links), head=str(chain.head)))
        yield from breaks(chain)
        if expect is not None:
            yield from unlike(chain, expect)
        told = told_of(entry for _, entry in chain.entries())
        late = [key for key, one in told.items() if one.must_exist and key not in found]
        yield from self._read([key for key in late if chain_of(key) == name], name, found)
        yield from changed(told, found)
        self.unfinished += unfinished(told, found)

    def _read(self, keys: list[str], what: str, found: dict[str, str]) -> Iterator[Finding]:
        """Take in some records, and look up the data that they pin outside of the store."""
        for kept in read_records(self.store, keys, what, self.progress):
            self.records += 1
            found[kept.key] = kept.sha256
            if self.deep:
                self.blobs.name(kept.key, kept.data)
                yield from self._pinned(kept.key, kept.data)

    def notes(self) -> Iterator[str]:
        """What was not looked at."""
        if not self.deep:
            yield "blobs and data outside of the store were not looked at (quick)"
        if unread := self.in_place.unread:
            named = some(unread, _MOST_NAMED)
            yield f"data in a bucket were not looked up without the data root: {named}"

    def _pinned(self, key: str, data: bytes) -> Iterator[Finding]:
        if not key.startswith("datasets/"):
            return
        try:
            yield from self.in_place.check(key, data)
        except StoreError as error:  # a record that is none: its chain tells whether it was edited
            yield Finding(kind="edited record", place=key, said=f"{key} can't be read: {error}")


def chains_of(store: Store, model: str | None) -> list[str]:
    """The chain of a model, or all chains of a store. :raises RegistryError: if it knows nothing of the model."""
    if model is None:
        return [*(model_chain(name) for name in models_of(store)), STORE_CHAIN]
    known = models_of(store)
    if model not in known:
        raise RegistryError(
            f"{store.uri} knows nothing of a model {model}",
            expected=f"one of {', '.join(known[:10])}" if known else "a store with a model",
        )
    return [model_chain(model)]


def _erasures(store: Store) -> Iterator[Erasure]:
    """All erasures that can be read: a blob of one model may be one of another, too."""
    for name in children(store, "models/"):
        for item in store.list(f"models/{name}/erasures/"):
            try:
                yield parse(store.read(item.key), Erasure, item.key)
            except StoreError:
                continue  # whether it was edited or removed is told where the records are
