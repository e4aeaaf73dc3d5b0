"""What became of a model version: approvals, its places in the traffic, what it predicted, how it was judged."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from airflow_mlops.core.lineage.graph.growing import Growing, newest
from airflow_mlops.core.lineage.graph.index import Index, LookEntry
from airflow_mlops.core.registry.approvals import approval_log
from airflow_mlops.core.registry.places import Place, places
from airflow_mlops.core.reproduction.record import reproduction_log
from airflow_mlops.core.wording import counted, minute

#: Looks, scorings and reproductions that are named; the others are counted.
_MOST = 5


class Life:
    """Adds to a graph what came after the registration of a version.

    :param now: what still serves is judged at this time.
    """

    def __init__(self, growing: Growing, index: Index, model: str, version: int, now: datetime) -> None:
        self._growing = growing
        self._index = index
        self._model = model
        self._version = version
        self._now = now

    def add(self, version: str) -> None:
        """Add all of it behind the node of the version."""
        approved = self._approvals(version)
        endpoint = self._deployments(version, approved)
        self._predictions(version)
        self._looks(endpoint or version)
        self._reproductions(version)

    def _approvals(self, version: str) -> list[tuple[datetime, str]]:
        """The approvals; return when each was given, with its node."""
        given = []
        for number, one in approval_log(self._index.store, self._model).entries():
            if one.version != self._version:
                continue
            answers = [answer.model_dump(mode="json") for answer in one.answers]
            facts: dict[str, Any] = {"run": one.run, "outcome": one.outcome, "reason": one.reason}
            facts |= {
                "reasons": list(one.reasons) or None,
                "evidence": one.evidence,
                "answers": answers or None,
            }
            people = ", ".join(f"{answer.choice} by {answer.user}" for answer in one.answers)
            said = f"{one.reason}{f' ({people})' if people else ''}"
            label = one.outcome.replace("_", " ")
            node = self._growing.add("approval", str(number), label, said, facts, at=one.at)
            self._growing.link(version, node, "asked")
            if one.outcome in ("approved", "not_needed"):
                given.append((one.at, node))
        return given

    def _deployments(self, version: str, approved: list[tuple[datetime, str]]) -> str | None:
        """The version's places in the traffic; return the endpoint's node if it ever had one."""
        everything = places(self._index.deployments(self._model).numbered(), self._now)
        own = [span for span in everything if span.version == self._version]
        if not own:
            return None
        for span in own:
            before = [node for at, node in approved if at <= span.since]
            node = self._deployment(span)
            self._growing.link(before[-1] if before else version, node, "deployed")
        endpoint = self._endpoint([span for span in everything if span.until is None])
        for span in own:
            node = f"deployment:{span.entries[0]} {span.role}"
            self._growing.link(node, endpoint, "serves" if span.until is None else "served")
        return endpoint

    def _deployment(self, span: Place) -> str:
        said = f"{minute(span.since)} to {minute(span.until) if span.until else 'now'}, by {span.who}: {span.why}"
        if span.ended:
            said += f"; ended: {span.ended}"
        key = f"{span.entries[0]} {span.role}"
        return self._growing.add(
            "deployment", key, role_of(span), said, span.model_dump(mode="json"), at=span.since
        )

    def _endpoint(self, present: list[Place]) -> str:
        serving = ", ".join(f"version {span.version} ({role_of(span)})" for span in present)
        said = f"serves {serving}" if serving else "serves the fallback rule"
        facts = {
            "model": self._model,
            "serves": [{"version": one.version, "role": one.role} for one in present],
        }
        return self._growing.add("endpoint", self._model, f"endpoint of {self._model}", said, facts)

    def _predictions(self, version: str) -> None:
        own = [
            (number, one)
            for number, one in self._index.scorings(self._model).numbered()
            if one.version == self._version
        ]
        if not own:
            return
        days = sorted({part.day for _, one in own for part in one.partitions})
        rows = sum(one.rows for _, one in own)
        facts = {
            "scorings": len(own),
            "rows": rows,
            "first_day": days[0].isoformat() if days else None,
            "last_day": days[-1].isoformat() if days else None,
            "newest": [
                {
                    "number": number,
                    "scored_at": one.scored_at.isoformat(),
                    "dataset": f"{one.dataset.name}@{one.dataset.id}",
                    "rows": one.rows,
                    "partitions": [part.key for part in one.partitions],
                }
                for number, one in newest(own, _MOST)
            ],
        }
        span = f", days {days[0]} to {days[-1]}" if days else ""
        node = self._growing.add(
            "predictions",
            self._model,
            counted(len(own), "scoring"),
            f"{counted(rows, 'prediction')}{span}",
            facts,
            at=own[-1][1].scored_at,
        )
        self._growing.link(version, node, "predicted")

    def _looks(self, before: str) -> None:
        own = [
            (number, one)
            for number, one in self._index.looks(self._model).numbered()
            if one.champion == self._version
        ]
        if not own:
            return
        outcomes = Counter(one.outcome for _, one in own)
        failed = sum(bool(one.failed_gates) for _, one in own)
        said = ", ".join(f"{outcome} {count}" for outcome, count in outcomes.most_common())
        said += f"; gates failed in {failed:,}"
        facts = {"looks": len(own), "outcomes": dict(outcomes), "with_failed_gates": failed}
        monitoring = self._growing.add("monitoring", self._model, counted(len(own), "look"), said, facts)
        self._growing.link(before, monitoring, "watched")
        for number, one in newest(own, _MOST):
            self._growing.link(monitoring, self._look(number, one), "look")

    def _look(self, number: int, one: LookEntry) -> str:
        gates = f", gates failed: {', '.join(one.failed_gates)}" if one.failed_gates else ""
        moved = f" in {', '.join(one.columns)}" if one.columns else ""
        said = f"until {minute(one.until)}: {one.outcome}{moved}{gates}; {one.decision.said}"
        facts = {
            "since": one.since.isoformat(),
            "until": one.until.isoformat(),
            "outcome": one.outcome,
            "columns": one.columns,
            "failed_gates": one.failed_gates,
            "decision": one.decision.said,
        }
        return self._growing.add("look", str(number), f"look {number}", said, facts, at=one.at)

    def _reproductions(self, version: str) -> None:
        own = [
            (number, one)
            for number, one in reproduction_log(self._index.store, self._model).entries()
            if one.version == self._version
        ]
        for number, one in newest(own, _MOST):
            facts = one.model_dump(mode="json", exclude={"version", "at"})
            node = self._growing.add(
                "reproduction", str(number), one.outcome, f"by {one.by}: {one.reason}", facts, at=one.at
            )
            self._growing.link(version, node, "rebuilt")


def role_of(span: Place) -> str:
    """``champion``, ``shadow``, ``canary at 10 %``."""
    return f"canary at {span.weight:.0%}" if span.role == "canary" else span.role
