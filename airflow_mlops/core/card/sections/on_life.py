"""What became of the version: approvals, its places in the traffic, monitoring, incidents, reproductions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from airflow_mlops.core.card import pictures
from airflow_mlops.core.card.blocks import (
    Block,
    Cell,
    Code,
    Facts,
    Look,
    Missing,
    Part,
    Pre,
    Table,
    Toned,
    Words,
    capped,
)
from airflow_mlops.core.card.dossier import Dossier
from airflow_mlops.core.card.fields import field, said, several
from airflow_mlops.core.card.sections.written import absent
from airflow_mlops.core.evaluation.page_sections import number
from airflow_mlops.core.registry.approvals import ApprovalRecord
from airflow_mlops.core.times import in_utc
from airflow_mlops.core.wording import count, day, line, minute, moment, short, span

_EVIDENCE = 6000
_OUTCOMES: dict[str, Look] = {
    "approved": "pass",
    "rejected": "fail",
    "expired": "fail",
    "not_needed": "inconclusive",
}
_DECISIONS: dict[str, Look] = {"PROMOTE": "pass", "ROLLBACK": "fail"}
_REPRODUCED: dict[str, Look] = {
    "identical": "pass",
    "equal": "pass",
    "different": "fail",
    "impossible": "fail",
}


def approvals(dossier: Dossier) -> Part:
    """Who said yes or no, when, and what they saw."""
    blocks = absent("approvals", dossier)
    if not dossier.approvals and not blocks:
        blocks = [Words(f"Planned: {line(_rule(dossier))}. Nobody has been asked yet.")]
    for one in dossier.approvals:
        blocks += _approval(dossier, one)
    return Part("approvals", "Approvals", blocks)


def deployments(dossier: Dossier) -> Part:
    """Its places in the traffic, and the verdicts that led from one to the next."""
    blocks: list[Block] = []
    if dossier.places:
        marks = [(in_utc(one.at), one.alert.title) for one in dossier.alerts if one.alert.state != "resolved"]
        marks += [(one.at, one.why) for one in dossier.left]
        draw = partial(pictures.timeline, dossier.places, marks, dossier.as_of)
        blocks += [pictures.drawn(draw, "When the version was where in the traffic."), _places(dossier)]
    else:
        why = next((one.reason for one in reversed(dossier.releases) if one.reason), "") or dossier.refusal
        blocks.append(Words(f"It was never in the traffic{': ' + line(why) if why else ''}."))
    if dossier.verdicts:
        blocks.append(_verdicts(dossier))
    elif dossier.places and any(one.role != "champion" for one in dossier.places):
        told = "The verdicts on its stages are not in the store; their reasons stand in the table above."
        blocks.append(Words(told, note=True))
    if dossier.predictions is not None:
        made = dossier.predictions
        told = f"{made.rows:,} batch predictions in {made.runs:,} runs, {day(made.first)} to {day(made.last)}"
        blocks.append(Words(f"{told}; {made.set_aside:,} rows were set aside."))
    return Part("deployments", "Deployments", blocks)


def monitoring(dossier: Dossier) -> Part:
    """How it is watched, and what was found while it was champion."""
    spec = dossier.record.spec
    blocks = absent("monitoring", dossier)
    schedule = said(spec, "monitoring", "schedule")
    gates = several(spec, "monitoring", "performance", "gates")
    pairs: list[tuple[str, Cell]] = [
        ("looked at", line(schedule) or "by hand"),
        ("performance gates", line("; ".join(_gate(one) for one in gates)) or "none"),
        ("asks for retraining", "yes, by the rules of monitoring.retrain"),
    ]
    blocks.append(Facts(pairs))
    if dossier.looks:
        blocks.append(_looks(dossier))
    else:
        blocks.append(Words("No look was made while it was champion."))
    if dossier.requests:
        rows: list[tuple[Cell, ...]] = [
            (
                moment(one.at),
                line("; ".join(reason.said for reason in one.reasons), 400),
                Code(line(one.run, 120)),
            )
            for one in dossier.requests
        ]
        caption, shown = capped("Requests for retraining", rows)
        blocks.append(Table(caption, ("when", "why", "run"), shown))
    return Part("monitoring", "Monitoring", blocks)


def incidents(dossier: Dossier) -> Part:
    """Alerts, and when people or the judge went back from it."""
    blocks: list[Block] = []
    if dossier.left:
        rows: list[tuple[Cell, ...]] = [
            (
                moment(one.at),
                "the fallback rule" if one.to is None else f"version {one.to}",
                line(one.who, 100),
                line(one.why, 300),
            )
            for one in dossier.left
        ]
        caption, shown = capped("Rollbacks from this version", rows)
        blocks.append(Table(caption, ("when", "to", "who", "why"), shown))
    told = [one for one in dossier.alerts if one.alert.severity != "info" or one.alert.state != "resolved"]
    if told:
        looks: dict[str, Look] = {"critical": "fail", "warning": "inconclusive"}
        entries: list[tuple[Cell, ...]] = [
            (
                moment(one.at),
                Toned(f"{one.alert.severity}, {one.alert.state}", looks.get(one.alert.severity, "pass")),
                line(one.alert.title, 200),
                line(one.alert.how_bad, 300),
            )
            for one in told
        ]
        caption, shown = capped("Alerts while it was champion, or about it", entries)
        blocks.append(Table(caption, ("when", "how bad", "what", "in numbers"), shown))
    return Part("incidents", "Incidents", blocks or [Words("No incident is on record.")])


def reproduction(dossier: Dossier) -> Part:
    """Whether it was built again, and what came out."""
    if not dossier.reproductions:
        command = f"airflow-mlops reproduce {dossier.name} --store STORE"
        return Part("reproduction", "Reproduction", [Missing("It was not built again yet", command)])
    rows: list[tuple[Cell, ...]] = [
        (
            moment(one.at),
            Toned(one.outcome, _REPRODUCED.get(one.outcome, "inconclusive")),
            line(one.reason, 300),
            "an environment from the lock" if one.place == "locked" else "the present environment",
            Code(short(line(one.rebuilt))) if one.rebuilt else "none",
            line(one.by, 100),
        )
        for one in dossier.reproductions
    ]
    caption, shown = capped("Built again from its record", rows)
    head = ("when", "outcome", "in words", "where", "model file", "by")
    return Part("reproduction", "Reproduction", [Table(caption, head, shown)])


def _rule(dossier: Dossier) -> str:
    spec = dossier.record.spec
    when_asked = field(spec, "approval", "when")
    people = field(spec, "approval", "people") or 1
    rule = (
        ", ".join(str(one) for one in when_asked)
        if isinstance(when_asked, list)
        else str(when_asked or "always")
    )
    return f"{people} {'person is' if people == 1 else 'people are'} asked ({rule}) after the registration"


def _approval(dossier: Dossier, one: ApprovalRecord) -> list[Block]:
    word = {"not_needed": "not needed"}.get(one.outcome, one.outcome)
    pairs: list[tuple[str, Cell]] = [
        ("outcome", Toned(word, _OUTCOMES.get(one.outcome, "inconclusive"))),
        ("when", moment(one.at)),
        ("in words", line(one.reason)),
    ]
    if one.reasons:
        pairs.append(("asked because", line("; ".join(one.reasons))))
    for answer in one.answers:
        comment = f": {answer.comment}" if answer.comment else ""
        verb = {"approve": "approved", "reject": "rejected"}[answer.choice]
        pairs.append((line(answer.user, 100), line(f"{verb}, {moment(answer.at)}{comment}")))
    blocks: list[Block] = [Facts(pairs)]
    if one.evidence:
        seen = dossier.evidence.get(one.evidence)
        blocks.append(Words(f"What they saw (SHA-256 {short(one.evidence)}):", note=True))
        gone = "its text is not in the store any more"
        blocks.append(Pre(gone if seen is None else seen[:_EVIDENCE]))
    return blocks


def _places(dossier: Dossier) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for one in dossier.places:
        role = f"{one.role} at {one.weight:.3g}" if one.role == "canary" else one.role
        end = moment(one.until) if one.until else "lasts"
        length = span((one.until or dossier.as_of) - one.since)
        proof = moment(one.proved) if one.proved else "not recorded"
        ended = f"{one.why} | ended: {one.ended}" if one.ended else one.why
        rows.append((role, moment(one.since), end, length, proof, line(one.who, 100), line(ended, 500)))
    caption, shown = capped("Places in the traffic", rows)
    head = ("place", "since", "until", "for", "endpoint proved", "who", "why")
    return Table(caption, head, shown)


def _verdicts(dossier: Dossier) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for one in dossier.verdicts:
        verdict = one.verdict
        word = Toned(verdict.decision, _DECISIONS.get(verdict.decision, "inconclusive"))
        gates = "; ".join(f"{gate.gate.name} {gate.outcome}" for gate in verdict.gates)
        samples = count(verdict.counts.get("samples"))
        rows.append(
            (verdict.stage, word, moment(one.at), line(verdict.reason, 400), line(gates, 300), samples)
        )
    caption, shown = capped("Verdicts on its stages", rows)
    return Table(caption, ("stage", "verdict", "when", "why", "gates", "samples"), shown, numbers=1)


def _looks(dossier: Dossier) -> Table:
    words: dict[str, Look] = {"drift": "fail", "stable": "pass"}
    rows: list[tuple[Cell, ...]] = []
    for one in dossier.looks[::-1]:
        metrics = ", ".join(f"{name} {number(value)}" for name, value in list(one.metrics.items())[:3])
        failed = ", ".join(one.failed_gates) or "none"
        judged = f" ({one.judged_on})" if one.judged_on else ""
        rows.append(
            (
                f"{minute(one.since)} to {minute(one.until)}",
                Toned(one.outcome, words.get(one.outcome, "inconclusive")),
                line(", ".join(one.columns[:8]) or "none", 200),
                line(f"{metrics}{judged}" if metrics else "not known", 200),
                line(failed, 200),
                line(one.decision.said, 300),
            )
        )
    caption, shown = capped("Looks while it was champion, the newest first", rows, 20)
    head = ("period", "drift", "columns that moved", "performance", "failed gates", "retraining")
    return Table(caption, head, shown)


def _gate(given: object) -> str:
    if not isinstance(given, Mapping):
        return str(given)
    limits = " ".join(
        f"{name} {given[name]}" for name in ("min", "max", "margin") if given.get(name) is not None
    )
    return f"{given.get('metric')} {limits}"
