"""Retention: what nothing refers to goes, in two steps that are at least ``grace`` apart.

A blob goes only if it was found unreferred in an earlier run, ``grace`` ago or longer, and still is. So what a run in
progress has stored but not yet named is safe, as long as the run takes less than ``grace``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_mlops.core.errors import PlatformError
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.record import Record, utc_now
from airflow_mlops.core.retention.marking import referred
from airflow_mlops.core.retention.policy import (
    Manifest,
    belongs,
    expendable,
    kept_models,
    manifests,
    require_room,
)
from airflow_mlops.core.store import Log, Store
from airflow_mlops.core.store.blobs import blob_key
from airflow_mlops.core.store.chain import note_removal
from airflow_mlops.core.store.removal import Removal
from airflow_mlops.core.wording import size

if TYPE_CHECKING:
    from airflow_mlops.spec import Retention

_LOG = "retention"


class Pruning(Record):
    """What one run of retention did.

    :param datasets: dataset versions (``name@id``) that were removed; with ``dry_run`` those that would be.
    :param removed: blobs that were removed, and ``removed_bytes`` their size.
    :param condemned: hashes of blobs that nothing refers to, and since when; a later run removes them.
    """

    model: str
    at: datetime
    dry_run: bool
    datasets: tuple[str, ...]
    removed: int
    removed_bytes: int
    condemned: dict[str, datetime]
    condemned_bytes: int

    @property
    def reason(self) -> str:
        """One line in words."""
        would = "would be " if self.dry_run else ""
        return (
            f"{len(self.datasets)} dataset versions of {self.model} and {self.removed:,} blobs "
            f"({size(self.removed_bytes)}) {would}removed; {len(self.condemned):,} blobs "
            f"({size(self.condemned_bytes)}) go when their grace is over"
        )


def prune(
    store: Store,
    model: str,
    policy: Retention,
    *,
    dry_run: bool = False,
    now: datetime | None = None,
    progress: Progress = ignore,
) -> Pruning:
    """Remove the dataset versions of ``model`` that the policy lets go, and blobs of the store that nothing names.

    Never what a kept model refers to: its dataset version, those it was made of, its artifact, code, environment,
    validation and evaluation. Removing can be repeated after a crash. Every run is an entry of the log ``retention``.

    :param dry_run: only say what would go.
    :param now: the time that ages are measured at; for tests.
    :raises StoreError: if a manifest can't be read (then nothing is removed), or the policy is too short.
    :raises PlatformError: if the store can't remove anything.
    """
    require_room(policy.keep, policy.grace)
    if not isinstance(store, Removal):
        raise PlatformError("store can't remove anything", given=store.uri, expected="a folder or S3")
    moment = now or utc_now()
    everything = manifests(store)
    models = kept_models(store, model, policy.models)
    goes = expendable((one for one in everything if belongs(one, model)), models.values(), policy, moment)
    progress(f"{len(goes)} dataset versions are let go; {len(models)} model versions keep theirs")
    blobs = {item.key.rpartition("/")[2]: item.size for item in store.list("blobs/")}
    data = {sha256 for one in everything for sha256 in one.data}
    without = {key for one in goes for key in one.keys}
    kept = referred(store, blobs, without=without, leaves=data, progress=progress)
    before = _condemned_before(store)
    unnamed = {sha256: before.get(sha256, moment) for sha256 in blobs if sha256 not in kept}
    ripe = sorted(sha256 for sha256, since in unnamed.items() if moment - since >= policy.grace)
    if not dry_run:
        for key in sorted(without):
            if store.exists(key):
                note_removal(store, key, f"retention of {model}")
                store.remove(key)
        # Between the first look and now a run may have named one of them.
        again = referred(store, blobs, without=without, leaves=data) if ripe else set()
        ripe = [sha256 for sha256 in ripe if sha256 not in again]
        for sha256 in ripe:
            store.remove(blob_key(sha256))
    return _record(store, model, moment, dry_run, goes, blobs, ripe, unnamed)


def pruning_log(store: Store) -> Log[Pruning]:
    """The log of what retention removed, of all models."""
    return Log(store, _LOG, Pruning)


def _condemned_before(store: Store) -> dict[str, datetime]:
    newest = pruning_log(store).newest()
    return dict(newest[1].condemned) if newest else {}


def _record(
    store: Store,
    model: str,
    at: datetime,
    dry_run: bool,
    goes: tuple[Manifest, ...],
    blobs: Mapping[str, int],
    ripe: list[str],
    unnamed: Mapping[str, datetime],
) -> Pruning:
    gone = set(ripe)
    condemned = {sha256: since for sha256, since in sorted(unnamed.items()) if sha256 not in gone}
    done = Pruning(
        model=model,
        at=at,
        dry_run=dry_run,
        datasets=tuple(f"{one.ref.name}@{one.ref.id}" for one in goes),
        removed=len(ripe),
        removed_bytes=sum(blobs[sha256] for sha256 in ripe),
        condemned=condemned,
        condemned_bytes=sum(blobs[sha256] for sha256 in condemned),
    )
    if not dry_run:
        log = pruning_log(store)
        log.append(done, after=log.last_number())
    return done
