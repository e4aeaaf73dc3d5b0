"""The model card of a version: its sections in their order, from the dossier."""

from __future__ import annotations

from airflow_mlops import __version__
from airflow_mlops.core.card.annex import annex
from airflow_mlops.core.card.blocks import Block, Cell, Chapter, Document, Facts, Look, Part, Toned, Words
from airflow_mlops.core.card.dossier import Dossier
from airflow_mlops.core.card.fields import said, several
from airflow_mlops.core.card.sections import on_data, on_life, on_lineage, on_quality, on_training
from airflow_mlops.core.card.sections import written as by_people
from airflow_mlops.core.evaluation.page_sections import number
from airflow_mlops.core.wording import days, line, moment, short


def card_of(dossier: Dossier) -> Document:
    """The card; the same dossier gives the same card."""
    chapters = [
        Chapter(
            "What it is for",
            [by_people.written(name, dossier) for name in ("purpose", "users", "out_of_scope")]
            + [by_people.owner(dossier)],
        ),
        Chapter(
            "What it learned from",
            [on_data.data(dossier), on_data.data_tests(dossier), on_training.training(dossier)],
        ),
        Chapter(
            "How well it does",
            [
                on_quality.performance(dossier),
                on_quality.slices(dossier),
                on_quality.fairness(dossier),
                on_quality.ageing(dossier),
            ],
        ),
        Chapter(
            "Limits and risks",
            [by_people.written(name, dossier) for name in ("limits", "risks", "oversight")],
        ),
        Chapter(
            "What became of it",
            [
                on_life.approvals(dossier),
                on_life.deployments(dossier),
                on_life.monitoring(dossier),
                on_life.incidents(dossier),
            ],
        ),
        Chapter(
            "How it can be checked",
            [on_life.reproduction(dossier), on_lineage.erasures(dossier), on_lineage.lineage(dossier)]
            + ([on_lineage.gaps(dossier)] if dossier.gaps else []),
        ),
    ]
    parts = [part for chapter in chapters for part in chapter.parts]
    verdict, look = stands(dossier)
    return Document(
        title=f"{dossier.model} version {dossier.version}",
        subtitle=line(said(dossier.record.spec, "description")),
        verdict=verdict,
        look=look,
        chapters=[
            Chapter("In short", [_summary(dossier, parts)]),
            *chapters,
            Chapter("Checklist", [annex(parts)]),
        ],
        footer=_footer(dossier),
    )


def stands(dossier: Dossier) -> tuple[tuple[str, str], Look]:
    """How the version stands at the time of the dossier: a word, a sentence, and a colour."""
    place = dossier.place
    if place is not None and place.role == "champion":
        return ("Champion", f"since {moment(place.since)}, by {line(place.who, 100)}."), "pass"
    if place is not None:
        share = f"with {place.weight:.0%} of the requests " if place.role == "canary" else ""
        return (f"In {place.role}", f"{share}since {moment(place.since)}."), "inconclusive"
    return _stood(dossier) if any(one.role == "champion" for one in dossier.places) else _waits(dossier)


def _stood(dossier: Dossier) -> tuple[tuple[str, str], Look]:
    """Of a version that was champion, and is not any more."""
    until = [one.until for one in dossier.places if one.role == "champion"][-1]
    if dossier.left and dossier.left[-1].at == until:
        gone = dossier.left[-1]
        to = "the fallback rule" if gone.to is None else f"version {gone.to}"
        told = f"to {to} on {moment(gone.at)} by {line(gone.who, 100)}: {line(gone.why, 300)}"
        return ("Rolled back", told), "fail"
    return ("Replaced", f"by a later champion on {moment(until)}."), "inconclusive"


def _waits(dossier: Dossier) -> tuple[tuple[str, str], Look]:
    """Of a version that was never champion."""
    refused = any(one.event == "refused" for one in dossier.releases)
    if refused or dossier.refusal or dossier.standing.approval == "Rejected":
        return ("Refused", line(why_refused(dossier), 400)), "fail"
    told = f"on {moment(dossier.record.created_at)}; it never answered a request."
    return ("Registered", told), "inconclusive"


def why_refused(dossier: Dossier) -> str:
    """Why its release ended without promoting it; empty where nothing says so."""
    reasons = (one.reason for one in reversed(dossier.releases) if one.event == "refused")
    return dossier.refusal or next((one for one in reasons if one), "") or dossier.standing.reason


def _footer(dossier: Dossier) -> str:
    return (
        f"Model card of {dossier.name}, as known at {moment(dossier.as_of)}. Made by airflow-mlops {__version__} from "
        f"the record with SHA-256 {short(dossier.record_sha256)}; the same store gives the same card."
    )


def _summary(dossier: Dossier, parts: list[Part]) -> Part:
    record, found = dossier.record, dossier.record.evaluation
    version = dossier.trail.dataset
    purpose = said(record.spec, "card", "purpose")
    pairs: list[tuple[str, Cell]] = [("purpose", line(purpose, 400))] if purpose else []
    who = [said(record.spec, name) for name in ("owner", "team", "contact")]
    pairs.append(("owner", line(", ".join(dict.fromkeys(one for one in who if one))) or "nobody is named"))
    rows = (
        "unknown"
        if version is None
        else f"{version.rows:,} rows, {days(version.first_event, version.last_event)}"
    )
    pairs.append(("learned from", rows))
    for name in _main_metrics(dossier):
        between = on_quality.interval(found, name)
        pairs.append(
            (line(name, 60), number(found.metrics[name]) + (f" (95 % interval {between})" if between else ""))
        )
    if found.search is not None and found.search.slices:
        pairs.append(("weakest where", line(found.search.slices[0].slice, 120)))
    pairs.append(("registered", f"{moment(record.created_at)} by {line(record.created_by, 100)}"))
    if dossier.approvals:
        pairs.append(("approval", line(dossier.approvals[-1].reason, 200) or dossier.approvals[-1].outcome))
    open_ones = [part for part in parts if part.missing]
    filled = f"{len(parts) - len(open_ones)} of {len(parts)} sections are complete"
    pairs.append(("this card", Toned(filled, "inconclusive" if open_ones else "pass")))
    blocks: list[Block] = [Facts(pairs)]
    if open_ones:
        blocks.append(
            Words(f"Not complete: {', '.join(part.heading.lower() for part in open_ones)}.", note=True)
        )
    lacking = [
        one for one in several(record.spec, "card", "required") if one in {part.key for part in open_ones}
    ]
    if lacking:
        blocks.append(Words(f"Required by its spec and not there: {line(', '.join(map(str, lacking)))}."))
    return Part("summary", "Summary", blocks)


def _main_metrics(dossier: Dossier) -> list[str]:
    """The metrics that gates are about, at most three."""
    found = dossier.record.evaluation
    names = dict.fromkeys(one.gate.metric for one in found.gates if one.gate.slice is None)
    return [name for name in names if name in found.metrics][:3]
