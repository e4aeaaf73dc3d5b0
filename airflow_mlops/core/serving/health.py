"""Whether the champion answers its requests, by the newest of them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from airflow_mlops.core.record import Record
from airflow_mlops.core.serving.base import Counts
from airflow_mlops.core.wording import second

if TYPE_CHECKING:
    from airflow_mlops.core.serving.base import Endpoint
    from airflow_mlops.spec import Health


class ChampionHealth(Record):
    """How many of the champion's requests failed, since <= t < until.

    :param healthy: None where too few requests say anything.
    """

    champion: int
    since: datetime
    until: datetime
    requests: int
    failed: int
    healthy: bool | None
    reason: str

    @property
    def error_rate(self) -> float:
        """Share of the requests that failed, 0 to 1."""
        return self.failed / self.requests if self.requests else 0.0


def champion_health(
    endpoint: Endpoint, health: Health, *, champion: int, since: datetime, until: datetime
) -> ChampionHealth:
    """Count the requests to version ``champion`` and hold ``serving.health`` against the failed ones.

    A request that the fallback rule answered because the champion failed is a failed one. What a challenger fails on
    is the judge's business and does not count; nor do a shadow's copies. Where the endpoint counts by itself what it
    does not capture (:class:`~airflow_mlops.core.serving.base.Counts`), its numbers are taken.

    :param since: when the champion got its place, or the window began.
    :raises EndpointError: if the endpoint can't be asked.
    """
    answered = failed = 0
    failures, saved = set[str](), set[str]()
    for record in endpoint.captures(since):
        if not since <= record.at < until:
            continue
        if record.role == "fallback" and record.chosen == "failover":
            saved.add(record.inference_id)
        elif record.role == "champion" and record.variant == f"v{champion}":
            answered += record.status == 200
            failed += record.status != 200
            if record.status != 200:
                failures.add(record.inference_id)
    requests = answered + failed
    if isinstance(endpoint, Counts):
        requests, errors = endpoint.counts(champion, since, until)
        # Captures may be a sample: what the rule answered instead is scaled to all requests that got an answer.
        by_rule = len(failures & saved)
        share = by_rule / (answered + by_rule) if by_rule else 0.0
        failed = errors + round(share * (requests - errors))
    return _judged(health, champion, since, until, requests, failed)


def _judged(
    health: Health, champion: int, since: datetime, until: datetime, requests: int, failed: int
) -> ChampionHealth:
    told = f"version {champion} failed {failed:,} of {requests:,} requests since {second(since)} UTC"
    healthy: bool | None = failed < health.max_error_rate * requests
    if requests < health.min_requests:
        healthy, told = None, f"{told}; fewer than {health.min_requests} decide nothing"
    elif not healthy:
        told = f"{told}, {health.max_error_rate:.0%} make it unhealthy"
    return ChampionHealth(
        champion=champion,
        since=since,
        until=until,
        requests=requests,
        failed=failed,
        healthy=healthy,
        reason=told,
    )
