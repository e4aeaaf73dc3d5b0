"""What people see when they are asked: one Markdown text, made of the records and of nothing else.

It is stored as a blob, and its hash stands in the record of the approval: what they saw can be read again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.evaluation.report import SliceMetrics
from airflow_mlops.core.registry.approval.case import Case
from airflow_mlops.core.registry.approval.markdown import bullets, code, limited, section, table, text
from airflow_mlops.core.registry.approval.rules import changed_sections, worse, worse_metrics
from airflow_mlops.core.store.blobs import blob_key
from airflow_mlops.core.wording import moment, short, size, some

#: Bytes of UTF-8; databases of Airflow hold 64 kB in such a field.
LONGEST = 20_000
_MOST_GATES = 30
_MOST_METRICS = 30
_MOST_SLICES = 10
_MOST_WARNINGS = 20
_MOST_COLUMNS = 12


def evidence(case: Case, reasons: Sequence[str], *, people: int, timeout: str) -> str:
    """The text about a version, at most :data:`LONGEST` bytes.

    :param reasons: why people are asked, in words.
    :param people: how many must say yes.
    :param timeout: how long each of them has, in words.
    """
    parts = (
        _asked(case, people, timeout),
        section("Why you are asked", bullets(map(text, reasons))),
        _report(case),
        _version(case),
        _gates(case),
        _metrics(case),
        _slices(case),
        _data(case),
        _tests(case),
        _labels(case),
    )
    body = "\n\n".join(part for part in parts if part) + "\n"
    return limited(body, LONGEST, f"*Shortened to {LONGEST:,} bytes: the report has the rest.*")


def _asked(case: Case, people: int, timeout: str) -> str:
    model, number = text(case.record.model), case.number
    serves = f"version {case.champion[0]} keeps serving" if case.champion else "nothing serves"
    rule = (
        "Two people must approve: two different ones, neither of whom started the release."
        if people == 2
        else ""
    )
    return "\n\n".join(
        part
        for part in (
            f"**May version {number} of {model} meet live requests?**",
            bullets(
                (
                    f"**Approve**: the rollout of version {number} begins: {_stages(case.record.spec)}.",
                    f"**Reject**: the release ends, {serves}. A comment helps those who read it later.",
                    f"No answer within {timeout} is a no.",
                )
            ),
            rule,
        )
        if part
    )


def _stages(spec: Mapping[str, Any]) -> str:
    rollout = spec.get("rollout") or {}
    named = [name for name in ("replay", "shadow", "canary") if rollout.get(name)]
    return ", then ".join([*named, "champion"])


def _report(case: Case) -> str:
    page = case.record.evaluation.page
    if page is None:
        return section("Evaluation report", "There is none for this version.")
    store = case.store_uri
    command = (
        f"airflow-mlops version report {case.record.model} {case.number} --store {store} --out report.html"
    )
    return section(
        "Evaluation report", code(command), f"It is the file {code(f'{store}/{blob_key(page)}')}, as HTML."
    )


def _version(case: Case) -> str:
    record, spec = case.record, case.record.spec
    owner = ", ".join(text(spec[name]) for name in ("owner", "team", "contact") if spec.get(name))
    changed = changed_sections(case)
    rows = [
        ("Model", text(record.model)),
        ("Version", str(case.number)),
        ("What it is", text(spec.get("description") or "nobody has said")),
        ("Owner", owner or "nobody is named"),
        ("Registered", f"{moment(record.created_at)} by {text(record.created_by)}"),
        ("Run", text(record.run.key) if record.run else "none"),
        ("Model file", f"{short(record.trained.artifact)}, {size(record.trained.size)}"),
        ("Trained on", f"{record.trained.train_rows:,} rows, seed {record.trained.seed}"),
        ("Shaped by own answers", "nobody has looked" if record.shaped is None else f"{record.shaped:.1%}"),
    ]
    if case.champion:
        rows.append(("Champion now", f"version {case.champion[0]}"))
        rows.append(("Spec against the champion's", ", ".join(map(text, changed)) or "the same"))
    return section("The version", table(("", ""), rows))


def _gates(case: Case) -> str:
    found = case.record.evaluation.gates
    rows = [
        (text(one.gate.name), _number(one.value), text(one.gate.limit_text), one.outcome, text(one.reason))
        for one in found[:_MOST_GATES]
    ]
    return section(
        "Gates", table(("Gate", "Value", "Limit", "Outcome", "Why"), rows), _more(found, _MOST_GATES)
    )


def _metrics(case: Case) -> str:
    found = case.record.evaluation
    if case.champion is None:
        rows = [(text(name), _number(value)) for name, value in sorted(found.metrics.items())]
        return section("Metrics", f"On {found.rows:,} held-out rows.", table(("Metric", "Value"), rows))
    if not case.compared or found.champion is None:
        return section("Metrics", f"Not compared with the champion, version {case.champion[0]}.")
    rows4 = [
        (text(name), _number(value), _number(found.champion.get(name)), _against(name, value, found.champion))
        for name, value in sorted(found.metrics.items())[:_MOST_METRICS]
    ]
    head = ("Metric", f"Version {case.number}", f"Champion, version {case.champion[0]}", "")
    return section(
        "Against the champion", f"Both on the same {found.rows:,} held-out rows.", table(head, rows4)
    )


def _slices(case: Case) -> str:
    found = case.record.evaluation
    ranked = sorted(found.slices, key=_badness, reverse=True)
    rows = [
        (text(one.slice), f"{one.rows:,}", _slice_words(one), _slice_against(one, case))
        for one in ranked[:_MOST_SLICES]
    ]
    head = ("Slice", "Rows", "Metrics", "Against the champion")
    weak = [
        f"{text(one.slice)}: {one.rows:,} rows, loss {one.loss:.4g}, elsewhere {one.elsewhere:.4g}"
        for one in (found.search.slices[:3] if found.search else ())
    ]
    searched = f"The search for weak slices found:\n\n{bullets(weak)}" if weak else ""
    return section("Slices", table(head, rows), _more(found.slices, _MOST_SLICES), searched)


def _badness(one: SliceMetrics) -> tuple[int, int]:
    """Slices that are worse than the champion's in most metrics first, then the large ones."""
    return (len(worse_metrics(one.metrics, one.champion or {})), one.rows)


def _slice_words(one: SliceMetrics) -> str:
    return ", ".join(f"{text(name)} {_number(value)}" for name, value in sorted(one.metrics.items())[:6])


def _slice_against(one: SliceMetrics, case: Case) -> str:
    if case.champion is None:
        return "no champion"
    if one.champion is None or not case.compared:
        return "not compared"
    bad = worse_metrics(one.metrics, one.champion)
    return f"worse in {', '.join(map(text, bad))}" if bad else "not worse"


def _data(case: Case) -> str:
    data, before = case.data, case.data_before
    if data is None:
        return section(
            "Data", f"No manifest of {text(case.record.dataset.name)}@{text(case.record.dataset.id)}."
        )
    if before is None:
        return section("Data", table(("", f"Version {case.number}"), _data_rows(data)))
    number = case.champion[0] if case.champion else "?"
    rows = [
        (name, now, then) for (name, now), (_, then) in zip(_data_rows(data), _data_rows(before), strict=True)
    ]
    changes = _data_changes(before, data)
    compare = f"airflow-mlops data diff {data.name} {before.id} {data.id} --store {case.store_uri}"
    return section(
        "Data",
        table(("", f"Version {case.number}", f"Champion, version {number}"), rows),
        bullets(changes) if changes else "The same columns, of the same types.",
        f"Value by value: {code(compare)}" if data.id != before.id else "The very same data.",
    )


def _data_rows(data: DatasetVersion) -> list[tuple[str, str]]:
    return [
        ("Dataset version", text(f"{data.name}@{data.id}")),
        ("Rows", f"{data.rows:,}"),
        ("Files", f"{len(data.files):,}"),
        ("First event", moment(data.first_event)),
        ("Last event", moment(data.last_event)),
        ("Made by", text(data.derivation.kind) if data.derivation else "a snapshot"),
    ]


def _data_changes(before: DatasetVersion, now: DatasetVersion) -> list[str]:
    old = {column.name: column.type for column in before.columns}
    new = {column.name: column.type for column in now.columns}
    lists = {
        "New columns": [name for name in new if name not in old],
        "Columns that are gone": [name for name in old if name not in new],
        "Columns of another type": [name for name in new if name in old and new[name] != old[name]],
    }
    return [
        f"{what}: {some([text(one) for one in names], _MOST_COLUMNS)}"
        for what, names in lists.items()
        if names
    ]


def _tests(case: Case) -> str:
    found = case.validation
    if found is None:
        return section("Data tests", "Nothing has tested the data.")
    lines = [
        f"{text(one.name)} ({one.severity}): {text(one.reason)}" for one in found.failures[:_MOST_WARNINGS]
    ]
    lines += [f"{found.dropped_rows:,} rows were left out"] if found.dropped_rows else []
    return section(
        "Data tests",
        text(found.reason),
        f"Did not hold:\n\n{bullets(lines)}" if lines else "",
        _more(found.failures, _MOST_WARNINGS),
    )


def _labels(case: Case) -> str:
    found = case.audit
    if found is None:
        return ""
    share = f"{found.error_rate:.1%} ({found.error_rate_low:.1%} to {found.error_rate_high:.1%})"
    bound = "" if found.certain else ", an upper bound: natural noise can't be told from errors"
    return section(
        "Labels",
        f"Of {found.rows:,} labels, {found.suspects:,} are more likely wrong than right; "
        f"about {share} of all are wrong{bound}.",
    )


def _against(name: str, value: float, champion: Mapping[str, float]) -> str:
    if name not in champion:
        return "not compared"
    return "**worse**" if worse(name, value, champion[name]) else "not worse"


def _more(found: Sequence[object], most: int) -> str:
    return f"{len(found) - most} more are in the report." if len(found) > most else ""


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"
