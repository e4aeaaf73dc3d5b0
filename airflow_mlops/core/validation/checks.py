"""Checks of a dataset version as a whole: fresh, of the usual volume and schema, without drift, with unique keys.

An expectation judges values; a check judges the version, mostly against the version before it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.store.base import Store
from airflow_mlops.core.times import in_utc
from airflow_mlops.core.validation.checks_contract import check_contract
from airflow_mlops.core.validation.checks_drift import check_drift
from airflow_mlops.core.validation.checks_unique import check_unique
from airflow_mlops.core.validation.checks_volume import check_volume
from airflow_mlops.core.validation.result import ExpectationResult
from airflow_mlops.core.wording import moment, span

if TYPE_CHECKING:
    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.spec.validation import Freshness

#: A newest event may be ahead of this machine's clock by so much before it counts as one of the future.
_CLOCK_SKEW = timedelta(minutes=5)


def run_checks(
    store: Store,
    spec: ModelSpec,
    version: DatasetVersion,
    previous: DatasetVersion | None,
    now: datetime,
    dropped: int = 0,
) -> tuple[ExpectationResult, ...]:
    """What the checks of ``spec.validation`` say of a version, in the order of their fields; a failed one is a result.

    Freshness, volume and contract read the manifests alone. Drift and volume read the version before beside this
    one; without one they say so and pass, for a first release has nothing to be held against.

    :param previous: the version that is compared with, None for the first.
    :param now: the time of the check; without a zone it is taken as UTC.
    :param dropped: rows that expectations of severity ``drop`` leave out of what goes on.
    :raises SpecError: if a check names a column that the version does not have.
    :raises PlatformError: if drift is asked for and scipy is not installed.
    :raises KeyMissing, IntegrityError: if pinned bytes are gone or changed.
    """
    asked = spec.validation
    now = in_utc(now)
    found: list[ExpectationResult] = []
    if asked.freshness is not None:
        found.append(check_freshness(asked.freshness, version, now))
    if asked.volume is not None:
        found.append(check_volume(store, asked.volume, version, previous, now, dropped))
    if asked.contract is not None:
        found += check_contract(asked.contract, version, previous)
    if asked.drift is not None:
        found.append(check_drift(store, spec, version, previous))
    if asked.unique:
        found.append(check_unique(store, asked.unique, version))
    return tuple(found)


def check_freshness(asked: Freshness, version: DatasetVersion, now: datetime) -> ExpectationResult:
    """Whether the newest event is young enough: at ``now``, or at the version's ``until`` when that lies in the past.

    An event in the future fails: it makes any data look fresh, and says that local times were read as UTC or that a
    time is wrong.
    """
    at = min(now, version.until) if version.until else now
    age = at - version.last_event
    newest = f"the newest {version.event_time} is {moment(version.last_event)}"
    when = "at the end of the window" if at is not now else "now"
    ahead = version.last_event - now > _CLOCK_SKEW
    if ahead:
        reason = (
            f"{newest}, {span(-age)} in the future: times without a zone are taken as UTC, "
            "so store them in UTC or with their zone"
        )
    else:
        reason = f"{newest}, {span(max(age, timedelta(0)))} old {when}; at most {span(asked.max_age)}"
    return ExpectationResult(
        type="check_freshness",
        column=version.event_time,
        severity=asked.severity,
        success=not ahead and age <= asked.max_age,
        reason=reason,
    )
