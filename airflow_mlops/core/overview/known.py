"""What is known about one model, brought up to date log by log."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from threading import Lock
from typing import Any, TypeVar

from airflow_mlops.core.monitoring.alerts.log import AlertEntry
from airflow_mlops.core.monitoring.look import Look
from airflow_mlops.core.overview import pieces
from airflow_mlops.core.overview.building import build
from airflow_mlops.core.overview.pieces import VersionSummary
from airflow_mlops.core.overview.records import ModelOverview
from airflow_mlops.core.overview.tail import Tail
from airflow_mlops.core.registry.approval.steps import ApprovalStep
from airflow_mlops.core.registry.approvals import ApprovalRecord
from airflow_mlops.core.registry.deployment import Deployment
from airflow_mlops.core.registry.releases import ReleaseEvent
from airflow_mlops.core.store import Store

P = TypeVar("P")


class KnownModel:
    """One model's logs, each read again only as far as it has grown."""

    def __init__(self, model: str) -> None:
        place = f"models/{model}"
        self.model = model
        self._versions = Tail(f"{place}/versions", VersionSummary, "log of versions")
        self._deployments = Tail(f"{place}/deployments", Deployment, "deployment log")
        self._releases = Tail(f"{place}/releases", ReleaseEvent, "log of releases")
        self._looks = Tail(f"{place}/monitoring", Look, "log of monitoring")
        self._steps = Tail(f"{place}/approval_steps", ApprovalStep, "log of questions")
        self._answers = Tail(f"{place}/approvals", ApprovalRecord, "log of approvals")
        self._alerts = Tail(f"{place}/alerts", AlertEntry, "log of alerts")
        self._found: dict[str, Any] = {}
        self._broken: dict[str, tuple[str, ...]] = {}
        self._lock = Lock()

    def overview(self, store: Store, now: datetime) -> ModelOverview:
        """How it stands.

        :raises StoreError: if the store can't be reached.
        """
        with self._lock:
            versions = self._piece(store, "versions", pieces.versions, self._versions)
            traffic = self._piece(store, "traffic", pieces.traffic, self._deployments)
            release = self._piece(store, "release", pieces.last_release, self._releases)
            looks = self._piece(store, "looks", pieces.looks, self._looks)
            question = self._piece(store, "question", pieces.open_question, self._steps, self._answers)
            unhealthy = self._piece(store, "unhealthy", pieces.unhealthy, self._alerts)
            broken = tuple(line for lines in self._broken.values() for line in lines)
        return build(
            self.model,
            versions=versions,
            traffic=traffic,
            release=release,
            looks=looks,
            question=question,
            unhealthy=unhealthy,
            broken=broken,
            now=now,
        )

    def is_there(self, store: Store) -> bool:
        """Whether what was read is still in the store: it is not where the store was emptied and filled anew."""
        with self._lock:
            return self._versions.is_there(store) and self._deployments.is_there(store)

    def _piece(self, store: Store, name: str, make: Callable[..., P], *tails: Tail[Any]) -> P:
        """A part, made anew when its log has grown, and when some of it could not be read before."""
        grown = [tail.grown(store) for tail in tails]
        if any(grown) or self._broken.get(name):
            broken: list[str] = []
            self._found[name] = make(store, *tails, broken)
            self._broken[name] = tuple(dict.fromkeys(broken))
        found: P = self._found[name]
        return found
