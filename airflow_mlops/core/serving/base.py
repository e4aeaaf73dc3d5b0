"""What the lifecycle asks of an endpoint: four calls (after Flagger's router interface)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol, runtime_checkable

from airflow_mlops.core.record import Record
from airflow_mlops.core.registry.deployments import Desired
from airflow_mlops.core.serving.capture import CaptureRecord
from airflow_mlops.core.serving.hours import Cursor

#: One value a minute, oldest first.
Series = tuple[tuple[datetime, float], ...]
#: Per metric (``memory``, ``cpu``) and variant (``v<version>``): per cent of the variant's instances.
Resources = Mapping[str, Mapping[str, Series]]


class Prediction(Record):
    """An endpoint's answer: one number per row, and which variant gave it."""

    predictions: tuple[float, ...]
    variant: str
    inference_id: str


@runtime_checkable
class Endpoint(Protocol):
    """One model's endpoint. Implementations: the local server, and SageMaker."""

    @property
    def url(self) -> str:
        """Where requests go, for people and logs."""
        ...

    @property
    def page(self) -> str:
        """Where people look at it: an address for a browser."""
        ...

    @property
    def slowest(self) -> timedelta:
        """How long a change may take; one that takes longer has failed."""
        ...

    def certain_until(self, now: datetime) -> datetime:
        """Of requests before this moment it is known by ``now`` whether they failed, as far as captures have come."""
        ...

    def reconcile(self, desired: Desired, timeout: timedelta) -> None:
        """Make the endpoint serve ``desired`` and return only when :meth:`describe` equals it.

        :raises DeploymentPending: if it is still changing at the ``timeout``, and may need :attr:`slowest` for it.
        :raises DeploymentRolledBack: if the endpoint went back to what it served before.
        :raises DeploymentFailed: if it does not serve ``desired`` within ``timeout``; says what it serves.
        """
        ...

    def describe(self) -> Desired:
        """What the endpoint serves at this moment. :raises EndpointError: if it can't be reached."""
        ...

    def invoke(
        self, rows: list[dict[str, Any]], *, inference_id: str | None = None, variant: str | None = None
    ) -> Prediction:
        """Answer ``rows``.

        :raises EndpointError: if the request is refused or fails, with the endpoint's reason.
        """
        ...

    def captures(self, since: datetime, cursor: Cursor | None = None) -> Iterator[CaptureRecord]:
        """Captured answers from ``since`` on, oldest first within a variant.

        A half-written line is left out.

        :param cursor: with one, only answers that it has not seen.
        """
        ...


@runtime_checkable
class Counts(Protocol):
    """What an endpoint has besides that does not capture every request that fails. Implementation: SageMaker."""

    def counts(self, version: int, since: datetime, until: datetime) -> tuple[int, int]:
        """Requests to a version from ``since`` to ``until`` (aware), and how many of them got an error as answer.

        :raises EndpointError: if it can't be asked.
        """
        ...


@runtime_checkable
class Instruments(Protocol):
    """What an endpoint may have besides: what its variants take of the machines that they run on.

    Implementations: the local server, and SageMaker.
    """

    def resources(self, since: datetime, until: datetime) -> Resources:
        """Memory and CPU from ``since`` to ``until`` (aware), in per cent: 100 is all of an instance, whatever the
        number of its cores. Of several instances, the one that has most of it taken.

        A variant or metric that nothing is known of is left out.

        :raises EndpointError: if it can't be asked.
        """
        ...
