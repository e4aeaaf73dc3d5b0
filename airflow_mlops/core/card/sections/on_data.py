"""What the model learned from, and how that was tested."""

from __future__ import annotations

from airflow_mlops.core.card.blocks import (
    Block,
    Cell,
    Code,
    Facts,
    Missing,
    Part,
    Table,
    Toned,
    Words,
    capped,
)
from airflow_mlops.core.card.dossier import Dossier
from airflow_mlops.core.card.fields import field
from airflow_mlops.core.card.sections.written import absent
from airflow_mlops.core.data.version import Column, DatasetVersion
from airflow_mlops.core.evaluation.page_sections import number
from airflow_mlops.core.wording import count, day, line, moment, short, size


def data(dossier: Dossier) -> Part:
    """The dataset version: where it came from, when, how much, and its columns."""
    ref = dossier.record.dataset
    version = dossier.trail.dataset
    if version is None:
        why = next(
            (one.why for one in dossier.trail.gone if one.ref == ref), "its record is not in the store"
        )
        gone = Missing(
            f"The record of {line(ref.name)}@{short(ref.id)} can't be shown: {line(why)}", "see the story"
        )
        return Part("data", "Data", [gone])
    blocks: list[Block] = [Facts(_facts(dossier, version)), _columns(version)]
    if len(dossier.trail.versions) > 1 or dossier.trail.gone:
        blocks.append(_ancestors(dossier))
    return Part("data", "Data", blocks)


def data_tests(dossier: Dossier) -> Part:
    """Expectations and checks, the quarantine, and the audit of the labels."""
    blocks = absent("data_tests", dossier)
    result = dossier.validation
    if result is not None and result.expectations:
        told = line(result.reason)
        word = Toned("passed", "pass") if result.success else Toned("stopped", "fail")
        pairs: list[tuple[str, Cell]] = [
            ("verdict", word),
            ("in words", told),
            ("rows tested", count(result.rows)),
        ]
        if result.quarantined_rows:
            pairs.append(("rows in quarantine", count(result.quarantined_rows)))
        if result.dropped_rows:
            pairs.append(("rows left out", count(result.dropped_rows)))
        blocks += [Facts(pairs), _expectations(dossier)]
    return Part("data_tests", "Tests of the data", [*blocks, *_labels(dossier)])


def _facts(dossier: Dossier, version: DatasetVersion) -> list[tuple[str, Cell]]:
    spec = dossier.record.spec
    pairs: list[tuple[str, Cell]] = [
        ("dataset version", Code(line(f"{version.name}@{version.id}"))),
        ("rows", count(version.rows)),
        ("files", f"{len(version.files):,}, {size(sum(one.size for one in version.files))}"),
        (
            "events",
            f"{day(version.first_event)} to {day(version.last_event)}, by {line(version.event_time, 100)}",
        ),
        ("label", line(str(field(spec, "data", "label") or "not said"))),
        ("came from", line(_origin(dossier))),
        ("taken", moment(version.created_at)),
        ("personal data", line(_privacy(dossier))),
    ]
    if version.restricted:
        pairs.append(("access", "restricted: each reading is noted in the audit log"))
    for one in dossier.erasures:
        rows = sum(stone.rows for stone in one.tombstones if stone.dataset == version.ref)
        if rows:
            pairs.append(("erased since", f"{rows:,} rows on {day(one.at)}, by {line(one.who, 100)}"))
    if dossier.record.shaped is not None:
        pairs.append(("shaped by own answers", f"at most {dossier.record.shaped:.1%} of the rows"))
    return pairs


def _origin(dossier: Dossier) -> str:
    spec = dossier.record.spec
    for name in ("source", "delta"):
        if field(spec, "data", name):
            return f"{name} {field(spec, 'data', name)}"
    connection = field(spec, "data", "connection")
    return f"a query on {connection}" if connection else "not said"


def _privacy(dossier: Dossier) -> str:
    kinds = [
        one.derivation
        for one in dossier.trail.versions
        if one.derivation and one.derivation.kind == "privacy"
    ]
    if kinds:
        return kinds[0].note
    action = field(dossier.record.spec, "privacy", "action")
    if action:
        return f"looked for; found ones: {action}"
    return "not looked for: say privacy in the spec"


def _columns(version: DatasetVersion) -> Table:
    def row(one: Column) -> tuple[Cell, ...]:
        mean = "" if one.mean is None else number(one.mean)
        distinct = "more than 1,000" if one.distinct is None else count(one.distinct)
        return Code(line(one.name, 100)), line(one.type, 60), f"{one.nulls:,}", distinct, mean

    caption, rows = capped("Columns", [row(one) for one in version.columns])
    return Table(caption, ("column", "type", "missing", "distinct", "mean"), rows, numbers=3)


def _ancestors(dossier: Dossier) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for one in dossier.trail.versions:
        made = one.derivation
        how = f"{made.kind}: {made.note}" if made else "snapshot of the source"
        rows.append(
            (
                Code(f"{line(one.name, 80)}@{short(one.id)}"),
                line(how, 300),
                moment(one.created_at),
                count(one.rows),
            )
        )
    for lost in dossier.trail.gone:
        rows.append((Code(f"{line(lost.ref.name, 80)}@{short(lost.ref.id)}"), line(lost.why, 300), "", ""))
    caption, shown = capped("How it was made, the newest first", rows)
    return Table(caption, ("dataset version", "made by", "when", "rows"), shown, numbers=1)


def _expectations(dossier: Dossier) -> Table:
    result = dossier.validation
    found = () if result is None else (*result.failures, *(one for one in result.expectations if one.success))
    rows: list[tuple[Cell, ...]] = [
        (
            line(one.name, 120),
            Toned("holds", "pass")
            if one.success
            else Toned("fails", "fail" if one.stops else "inconclusive"),
            one.severity,
            line(one.reason, 300),
        )
        for one in found
    ]
    caption, shown = capped("Expectations and checks, failures first", rows)
    return Table(caption, ("expectation", "verdict", "severity", "what was found"), shown)


def _labels(dossier: Dossier) -> list[Block]:
    audit = dossier.audit
    if audit is None:
        return [Words("The labels were not audited: say labels in the spec.", note=True)]
    rate = f"{audit.error_rate:.2%} ({audit.error_rate_low:.2%} to {audit.error_rate_high:.2%})"
    pairs: list[tuple[str, Cell]] = [
        ("labels looked at", count(audit.rows)),
        ("likely wrong", count(audit.suspects)),
        ("estimated share of wrong labels", rate if audit.certain else f"at most {rate}"),
        ("equal rows with other labels", count(audit.duplicates.rows)),
    ]
    return [Facts(pairs)]
