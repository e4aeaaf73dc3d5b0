"""The dossier of a version: all that the store knows of it, up to a moment."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from airflow_mlops.core.card.data_trail import Trail, trail_of
from airflow_mlops.core.card.history import History
from airflow_mlops.core.card.places import Left, Place, left, places
from airflow_mlops.core.card.reading import Gap
from airflow_mlops.core.data.erasures import Erasure
from airflow_mlops.core.labels.record import LabelAudit
from airflow_mlops.core.monitoring.alerts.log import AlertEntry
from airflow_mlops.core.monitoring.look import Look
from airflow_mlops.core.monitoring.retraining.requests import RetrainRequest
from airflow_mlops.core.record import Record
from airflow_mlops.core.registry.approvals import ApprovalRecord
from airflow_mlops.core.registry.policies import PolicyChange
from airflow_mlops.core.registry.releases import ReleaseEvent
from airflow_mlops.core.registry.standing import Standing, refusal_of, standing
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.reproduction.record import Reproduction
from airflow_mlops.core.rollout.stage_verdicts import StageVerdict
from airflow_mlops.core.store import Store
from airflow_mlops.core.times import in_utc
from airflow_mlops.core.validation.result import ValidationResult


class Predictions(Record):
    """Batch predictions that a version made.

    :param first, last: times of the runs.
    """

    runs: int
    rows: int
    set_aside: int
    first: datetime
    last: datetime


class Dossier(Record):
    """All that is known of one version.

    :param as_of: nothing after this time is in it: the time that was asked about, else that of the newest record.
    :param record_sha256: hash of the version's record as it lies in the store.
    :param environment: the lock text that it was trained with; None where it is gone.
    :param evidence: by the hash that an approval names: the text that people saw.
    :param policy: the spec that held when it was registered, and since when; None for releases from before that was
        written down.
    :param refusal: why its release ended without promoting it, as far as a mirror was told; empty without.
    :param alerts: told while it was champion, about its release, or naming it.
    :param gaps: what should be there and could not be read, of the logs and of the versions that were looked at.
    """

    model: str
    version: int
    as_of: datetime
    record: ModelVersion
    record_sha256: str
    trail: Trail
    validation: ValidationResult | None
    audit: LabelAudit | None
    environment: str | None
    policy: PolicyChange | None
    releases: tuple[ReleaseEvent, ...]
    approvals: tuple[ApprovalRecord, ...]
    evidence: dict[str, str]
    verdicts: tuple[StageVerdict, ...]
    places: tuple[Place, ...]
    left: tuple[Left, ...]
    standing: Standing
    refusal: str
    looks: tuple[Look, ...]
    alerts: tuple[AlertEntry, ...]
    requests: tuple[RetrainRequest, ...]
    reproductions: tuple[Reproduction, ...]
    erasures: tuple[Erasure, ...]
    predictions: Predictions | None
    gaps: tuple[Gap, ...]

    @property
    def name(self) -> str:
        """``model:version``."""
        return f"{self.model}:{self.version}"

    @property
    def run(self) -> str | None:
        """Key of the run that registered it."""
        return self.record.run.key if self.record.run else None

    @property
    def place(self) -> Place | None:
        """The place that it has at :attr:`as_of`; None without any."""
        return self.places[-1] if self.places and self.places[-1].until is None else None


def gather(
    store: Store, model: str, version: int, *, as_of: datetime | None = None, history: History | None = None
) -> Dossier:
    """Gather the dossier of a version. The same store gives the same dossier.

    :param as_of: only what was known then, to see what people could know; None for all.
    :param history: of the model until ``as_of``, where somebody has read it before.
    :raises RegistryError: if there is no such version, or it was not registered then.
    :raises StoreError: if its own record can't be read.
    """
    known = history or History(store, model, as_of)
    reader = known.reader
    record = known.version(version)
    trail = trail_of(known, record.dataset)
    run = record.run.key if record.run else None
    approvals = tuple(one for one in known.approvals if one.version == version)
    moment = reader.as_of or max(in_utc(record.created_at), known.newest)
    placed = places(known.numbered_deployments, version, moment, known.proofs)
    found = Dossier(
        model=model,
        version=version,
        as_of=moment,
        record=record,
        record_sha256=_hash_of_record(store, model, version),
        trail=trail,
        validation=reader.blob(record.validation, ValidationResult, "result of the data tests"),
        audit=reader.blob(record.audit, LabelAudit, "audit of the labels"),
        environment=reader.text(record.trained.environment, "lock of the environment"),
        policy=_policy(known.policies, record, run),
        releases=tuple(one for one in known.releases if run == one.run or version == one.version),
        approvals=approvals,
        evidence=_evidence(known, approvals),
        verdicts=known.verdicts(version),
        places=placed,
        left=left(known.deployments, version),
        standing=standing(known.deployments, version),
        refusal=(refusal_of(store, model, version) or "") if reader.as_of is None else "",
        looks=tuple(one for one in known.looks if one.champion == version),
        alerts=_alerts(known.alerts, version, run, placed),
        requests=tuple(one for one in known.requests if one.champion == version),
        reproductions=tuple(one for one in known.reproductions if one.version == version),
        erasures=_erasures(known.erasures, version, trail),
        predictions=_predictions(known, version),
        gaps=(),
    )
    return found.model_copy(update={"gaps": tuple(dict.fromkeys(reader.gaps))})


def _hash_of_record(store: Store, model: str, version: int) -> str:
    return hashlib.sha256(store.read(f"models/{model}/versions/{version:010d}.json")).hexdigest()


def _policy(policies: Sequence[PolicyChange], record: ModelVersion, run: str | None) -> PolicyChange | None:
    held = [one for one in policies if one.run == run or in_utc(one.at) <= in_utc(record.created_at)]
    return held[-1] if held else None


def _evidence(known: History, approvals: Iterable[ApprovalRecord]) -> dict[str, str]:
    refs = dict.fromkeys(one.evidence for one in approvals if one.evidence)
    texts = {ref: known.reader.text(ref, "what people saw before they answered") for ref in refs}
    return {ref: text for ref, text in texts.items() if text is not None}


def _alerts(
    entries: Iterable[AlertEntry], version: int, run: str | None, placed: Iterable[Place]
) -> tuple[AlertEntry, ...]:
    served = [one for one in placed if one.role == "champion"]
    named = re.compile(rf"\b(?:version |v){version}\b")

    def about(entry: AlertEntry) -> bool:
        at, alert = in_utc(entry.at), entry.alert
        if any(one.since <= at and (one.until is None or at < one.until) for one in served):
            return True
        texts = (alert.title, alert.how_bad, *alert.details)
        return (run is not None and run == entry.run) or any(named.search(one) for one in texts)

    return tuple(entry for entry in entries if about(entry))


def _erasures(erasures: Iterable[Erasure], version: int, trail: Trail) -> tuple[Erasure, ...]:
    names = {(one.name, one.id) for one in trail.refs}
    return tuple(
        one
        for one in erasures
        if version in one.retrain or any((t.dataset.name, t.dataset.id) in names for t in one.tombstones)
    )


def _predictions(known: History, version: int) -> Predictions | None:
    made = [one for one in known.scorings if one.version == version]
    if not made:
        return None
    times = [in_utc(one.scored_at) for one in made]
    return Predictions(
        runs=len(made),
        rows=sum(one.rows for one in made),
        set_aside=sum(one.set_aside for one in made),
        first=min(times),
        last=max(times),
    )
