"""What an audited record changed, in one line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

Values = Mapping[str, Any]


def in_words(key: str, record: Values) -> str:
    """What a record says, in one line.

    :param record: its JSON values; of a kind that is not known here, its own reason is taken.
    """
    place, *names = key.split("/")
    part = names[1] if place in ("models", "endpoints") and len(names) > 1 else place
    tell = _TOLD.get(part)
    number = names[-1].removesuffix(".json").lstrip("0") if names else ""
    told = tell(record, number) if tell else ""
    reason = next((str(record[name]) for name in ("reason", "why", "said", "note") if record.get(name)), "")
    return "; ".join(" ".join(text.split()) for text in (told, reason) if text) or key


def _version(record: Values, number: str) -> str:
    dataset = record.get("dataset") or {}
    return f"version {number} registered, trained on {dataset.get('name')}@{dataset.get('id')}"


def _deployment(record: Values, number: str) -> str:
    champion, challenger = record.get("champion"), record.get("challenger")
    beside = f", version {challenger} at {100 * float(record.get('weight') or 0):g} %" if challenger else ""
    answers = f"version {champion} answers" if champion is not None else "the fallback rule answers"
    return f"{record.get('action')}: {answers}{beside}{', held' if record.get('held') else ''}"


def _served(record: Values, number: str) -> str:
    desired = record.get("desired") or {}
    return f"proved to serve deployment {desired.get('number')}: champion {desired.get('champion')}"


def _change(record: Values, number: str) -> str:
    return f"endpoint changed for deployment {record.get('number')}: {record.get('target')}"


def _approval(record: Values, number: str) -> str:
    answers = ", ".join(f"{one.get('user')}: {one.get('choice')}" for one in record.get("answers") or ())
    return f"version {record.get('version')} {record.get('outcome')}{f' ({answers})' if answers else ''}"


def _policy(record: Values, number: str) -> str:
    return f"the spec became {str(record.get('spec'))[:12]}"


def _dataset(record: Values, number: str) -> str:
    name = f"{record.get('name')}@{record.get('id')}"
    made = record.get("derivation") or {}
    how = f", {made.get('kind')} of {len(made.get('parents') or ())}: {made.get('note')}" if made else ""
    return f"dataset version {name}, {record.get('rows'):,} rows{how}" if "rows" in record else name


def _pin(record: Values, number: str) -> str:
    return f"pinned {record.get('name')}@{record.get('id')}: {len(record.get('sources') or ()):,} objects"


def _look(record: Values, number: str) -> str:
    decision = record.get("decision") or {}
    return f"monitored version {record.get('champion')}: {record.get('outcome')}; {decision.get('said', '')}"


def _retraining(record: Values, number: str) -> str:
    said = "; ".join(str(one.get("said")) for one in record.get("reasons") or ())
    return f"retraining asked for version {record.get('champion')}: {said}"


def _reproduction(record: Values, number: str) -> str:
    return f"version {record.get('version')} built again: {record.get('outcome')}"


def _erasure(record: Values, number: str) -> str:
    return f"erasure {record.get('state')}: {len(record.get('tombstones') or ())} dataset versions"


def _pruning(record: Values, number: str) -> str:
    gone = len(record.get("datasets") or ())
    return f"retention of {record.get('model')}: {gone} dataset versions and {record.get('removed')} blobs removed"


def _verdict(record: Values, number: str) -> str:
    inner = record.get("verdict") or {}
    verdict = inner or record
    return f"{verdict.get('stage')}: {verdict.get('decision')} {inner.get('reason', '')}".strip()


def _release(record: Values, number: str) -> str:
    shown = (record.get(name) for name in ("event", "state", "outcome", "stage"))
    version = record.get("version")
    return " ".join(["release", *(str(one) for one in shown if one), f"version {version}" if version else ""])


_TOLD: Final[dict[str, Callable[[Values, str], str]]] = {
    "approvals": _approval,
    "changes": _change,
    "datasets": _dataset,
    "deployments": _deployment,
    "erasures": _erasure,
    "monitoring": _look,
    "pins": _pin,
    "policy": _policy,
    "refused": lambda record, number: f"version {number} refused",
    "releases": _release,
    "replays": _verdict,
    "reproductions": _reproduction,
    "retention": _pruning,
    "retraining": _retraining,
    "served": _served,
    "verdicts": _verdict,
    "versions": _version,
}
