"""The events of a version's life, from its dossier."""

from __future__ import annotations

from datetime import datetime

from airflow_mlops.core.card.dossier import Dossier
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.evaluation.page_sections import number
from airflow_mlops.core.record import Record
from airflow_mlops.core.registry.approvals import ApprovalRecord
from airflow_mlops.core.times import in_utc
from airflow_mlops.core.wording import count, day, line, moment, short, size, span

#: Files of one dataset version that are told one by one.
_FILES = 100


class Event(Record):
    """One thing that happened.

    :param at: when; without ``dated`` it is only known to lie right before this.
    :param kind: one word: data, tests, training, evaluation, registration, approval, traffic ...
    :param order: of events at one moment, by the lifecycle.
    """

    at: datetime
    kind: str
    said: str
    details: tuple[str, ...] = ()
    dated: bool = True
    order: int = 50


def of_making(dossier: Dossier) -> list[Event]:
    """From the bytes of the source to the registration."""
    record = dossier.record
    events = [_data(one) for one in reversed(dossier.trail.versions)]
    events += [
        Event(
            at=record.created_at,
            kind="data",
            said=f"{line(one.ref.name)}@{short(one.ref.id)}: {line(one.why)}",
            dated=False,
            order=10,
        )
        for one in dossier.trail.gone
    ]
    events += [
        Event(at=one.at, kind="release", said=f"began (run {line(one.run)})", order=5)
        for one in dossier.releases
        if one.begins
    ]
    events += [_tests(dossier), *_labels(dossier), _training(dossier), _evaluation(dossier)]
    by = line(record.created_by, 100)
    said = f"version {dossier.version} registered by {by}; its record has SHA-256 {dossier.record_sha256}"
    run = (f"run {line(dossier.run)}",) if dossier.run else ()
    return [*events, Event(at=record.created_at, kind="registration", said=said, details=run, order=50)]


def of_traffic(dossier: Dossier) -> list[Event]:
    """Approvals, stages, verdicts, promotions, rollbacks, and how the release ended."""
    number_ = dossier.version
    events = [_approval(dossier, one) for one in dossier.approvals]
    for one in dossier.places:
        share = f" with {one.weight:.3g} of the requests" if one.role == "canary" else ""
        word = "is champion" if one.role == "champion" else f"is in {one.role}{share}"
        details = [f"why: {line(one.why, 600)}"]
        if one.proved:  # only an endpoint on SageMaker keeps its proofs
            details.append(f"proved by the endpoint at {moment(one.proved)}")
        if one.until:
            length = span(one.until - one.since)
            details.append(f"until {moment(one.until)}, after {length}: {line(one.ended or '', 400)}")
        said = f"version {number_} {word}, by {line(one.who, 100)}"
        events.append(Event(at=one.since, kind="traffic", said=said, details=tuple(details), order=60))
    for judged in dossier.verdicts:
        verdict = judged.verdict
        gates = tuple(
            f"{one.gate.name} {one.gate.limit_text}: {one.outcome}; {line(one.reason, 300)}"
            for one in verdict.gates
        )
        said = f"{verdict.decision} in {verdict.stage} of version {number_}: {line(verdict.reason, 300)}"
        events.append(Event(at=judged.at, kind="verdict", said=said, details=gates, order=58))
    for gone in dossier.left:
        to = "the fallback rule" if gone.to is None else f"version {gone.to}"
        said = f"from version {number_} to {to}, by {line(gone.who, 100)}: {line(gone.why, 400)}"
        events.append(Event(at=gone.at, kind="rollback", said=said, order=70))
    for end in dossier.releases:
        if not end.begins:
            why = f": {line(end.reason, 400)}" if end.reason else ""
            events.append(
                Event(at=end.at, kind="release", said=f"ended, version {number_} {end.event}{why}", order=80)
            )
    return events


def of_life(dossier: Dossier) -> list[Event]:
    """Looks, alerts, retraining requests, predictions, reproductions and erasures."""
    name = f"version {dossier.version}"
    events = []
    for look in dossier.looks:
        metrics = ", ".join(f"{metric} {number(value)}" for metric, value in list(look.metrics.items())[:3])
        told = f"{name}, {moment(look.since)} to {moment(look.until)}: {look.outcome}"
        failed = f"; gates failed: {', '.join(look.failed_gates)}" if look.failed_gates else ""
        details = (line(look.decision.said, 300), *([line(metrics, 300)] if metrics else []))
        events.append(
            Event(at=look.at, kind="look", said=line(told + failed, 400), details=details, order=60)
        )
    for entry in dossier.alerts:
        sent = "" if entry.delivered else " (nobody could be told)"
        said = f"{line(entry.alert.headline, 300)}{sent}"
        events.append(
            Event(at=entry.at, kind="alert", said=said, details=(line(entry.alert.how_bad, 300),), order=75)
        )
    for request in dossier.requests:
        reasons = "; ".join(one.said for one in request.reasons)
        events.append(
            Event(
                at=request.at,
                kind="retraining",
                said=f"asked for, about {name}: {line(reasons, 400)}",
                order=65,
            )
        )
    if dossier.predictions is not None:
        made = dossier.predictions
        said = f"{name} made {made.rows:,} predictions in {made.runs:,} batch runs until {moment(made.last)}"
        events.append(Event(at=made.first, kind="predictions", said=said, order=66))
    for one in dossier.reproductions:
        said = f"{name} built again by {line(one.by, 100)}: {one.outcome}; {line(one.reason, 300)}"
        rebuilt = f"model file {short(one.artifact)} recorded, {short(one.rebuilt) if one.rebuilt else 'none'} rebuilt"
        events.append(Event(at=one.at, kind="reproduction", said=said, details=(line(rebuilt),), order=85))
    return [*events, *_erasures(dossier)]


def _data(version: DatasetVersion) -> Event:
    made = version.derivation
    how = f"{made.kind}: {line(made.note, 200)}" if made else "snapshot"
    said = (
        f"{line(version.name, 80)}@{line(version.id)}: {how}; {version.rows:,} rows, {day(version.first_event)} to "
        f"{day(version.last_event)}"
    )
    files = [
        f"{line(one.source, 300)}  sha256 {one.sha256}  {one.rows:,} rows, {size(one.size)}"
        for one in version.files
    ]
    more = len(files) - _FILES
    shown = [*files[:_FILES], *([f"and {more:,} more files"] if more > 0 else [])]
    return Event(at=version.created_at, kind="data", said=said, details=tuple(map(line, shown)), order=10)


def _tests(dossier: Dossier) -> Event:
    result = dossier.validation
    at = dossier.record.created_at
    if result is None:
        why = "their result can't be read" if dossier.record.validation else "the data passed no test"
        said = f"version {dossier.version}: {why}"
        return Event(at=at, kind="tests", said=said, dated=False, order=15)
    word = "passed" if result.success else "stopped"
    failed = tuple(
        f"failed ({one.severity}): {line(one.name, 100)}: {line(one.reason, 200)}"
        for one in result.failures[:20]
    )
    aside = (
        (f"{result.quarantined_rows:,} rows in quarantine {short(result.quarantine)}",)
        if result.quarantine
        else ()
    )
    said = f"version {dossier.version}: {word}: {line(result.reason, 300)}"
    return Event(at=at, kind="tests", said=said, details=(*failed, *aside), dated=False, order=15)


def _labels(dossier: Dossier) -> list[Event]:
    audit = dossier.audit
    if audit is None:
        return []
    said = f"version {dossier.version}: labels audited: {audit.suspects:,} of {audit.rows:,} are likely wrong"
    return [Event(at=dossier.record.created_at, kind="labels", said=said, dated=False, order=16)]


def _training(dossier: Dossier) -> Event:
    trained = dossier.record.trained
    said = (
        f"version {dossier.version}: {line(trained.framework, 80)} on {trained.train_rows:,} rows, {trained.rounds} "
        f"rounds, seed {trained.seed}, in {trained.seconds:,.1f} s; model file {line(trained.artifact)}"
    )
    code = (
        f"feature code {line(trained.code.name)} {short(trained.code.sha256)}"
        if trained.code
        else "no feature code"
    )
    program = f"training code {short(trained.program)}" if trained.program else "training code not kept"
    details = (code, program, f"environment {short(line(trained.environment))}")
    return Event(
        at=dossier.record.created_at, kind="training", said=said, details=details, dated=False, order=20
    )


def _evaluation(dossier: Dossier) -> Event:
    found = dossier.record.evaluation
    against = f" beside version {found.champion_version}" if found.champion_version is not None else ""
    metrics = ", ".join(
        f"{line(name, 60)} {number(value)}" for name, value in list(found.metrics.items())[:8]
    )
    gates = tuple(
        f"gate {line(one.gate.name, 100)}: {one.outcome}; {line(one.reason, 200)}" for one in found.gates[:50]
    )
    said = f"version {dossier.version} on {found.rows:,} held-out rows{against}: {metrics}"
    return Event(
        at=dossier.record.created_at, kind="evaluation", said=said, details=gates, dated=False, order=25
    )


def _approval(dossier: Dossier, one: ApprovalRecord) -> Event:
    details = [f"asked because {line('; '.join(one.reasons), 300)}"] if one.reasons else []
    details += [
        line(
            f"{answer.user}: {answer.choice}, {moment(answer.at)}{': ' + answer.comment if answer.comment else ''}",
            400,
        )
        for answer in one.answers
    ]
    if one.evidence:
        gone = "" if one.evidence in dossier.evidence else ", gone from the store"
        details.append(f"they saw text {line(one.evidence)}{gone}")
    said = f"version {dossier.version} {one.outcome.replace('_', ' ')}: {line(one.reason, 300)}"
    return Event(at=one.at, kind="approval", said=said, details=tuple(details), order=55)


def _erasures(dossier: Dossier) -> list[Event]:
    events = []
    for one in dossier.erasures:
        rows = count(sum(stone.rows for stone in one.tombstones))
        said = f"{one.state} by {line(one.who, 100)}: {rows} rows of subject {short(line(one.subject))}"
        learned = ", ".join(map(str, one.retrain)) or "none"
        why = (f"why: {line(one.why, 300)}", f"versions that learned from them: {learned}")
        events.append(Event(at=in_utc(one.at), kind="erasure", said=said, details=why, order=90))
    return events
