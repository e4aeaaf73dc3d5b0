"""The alert that a release hangs, by Airflow's own deadlines: the scheduler sees that one has passed, whatever hangs.

Airflow 3.3 knows deadlines of DAG runs only, from the time at which a run was queued or made, a fixed time, or the mean
of earlier runs. Data that do not come make no run, so there is no deadline for them: see ``monitoring.freshness``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk import BaseNotifier
from airflow.sdk.configuration import conf

# Airflow's own stub of airflow.sdk leaves these out.
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

from airflow_mlops.core.errors import MlopsError
from airflow_mlops.core.record import utc_now
from airflow_mlops.notifications.recipe import from_recipe, to_recipes
from airflow_mlops.notifications.sending import check_notifiers, harmless
from airflow_mlops.notifications.telling import tell

if TYPE_CHECKING:
    from airflow_mlops.spec import ModelSpec

#: From the snapshot to the registered version, replay and the tasks between the stages.
SLACK = timedelta(hours=12)
#: States of a run in which it is over: the deadline passed while it ended.
_OVER = ("success", "failed")

logger = logging.getLogger(__name__)


def release_deadline(spec: ModelSpec, slack: timedelta = SLACK) -> timedelta:
    """How long a release may take from the time it was queued.

    The longest duration of each stage, how long an undecided one may be held and how long people have to approve,
    where the spec asks for that.

    :param slack: for everything before and between the stages.
    """
    rollout = spec.rollout
    longest = [stage.max_duration for stage in (rollout.shadow,) if stage]
    longest += [rollout.canary.max_duration] * len(rollout.canary.steps) if rollout.canary else []
    if rollout.inconclusive == "hold":
        longest.append(rollout.max_hold)
    if spec.approval is not None:
        longest.append(spec.approval.longest)
    return sum(longest, slack)


def late_release(
    spec: ModelSpec,
    notifiers: Sequence[BaseNotifier] = (),
    *,
    mlops_conn_id: str | None = None,
    limit: timedelta | None = None,
) -> DeadlineAlert:
    """The deadline of the release DAG: ``DAG(..., deadline=late_release(spec, notifiers))``.

    The callback runs in the triggerer, which makes the notifiers again from what they were made of. That is kept in
    Airflow's database as JSON: secrets belong into connections. Where none can be made so (its class is in the DAG
    file, or it was made with objects), the model's next task that tells people sends the alert.

    :param limit: how long a release may take; :func:`release_deadline` without one.
    :raises SpecError: if one is no notifier.
    """
    allowed = limit or release_deadline(spec)
    callback = AsyncCallback(
        tell_of_late_release,
        kwargs={
            "model": spec.name,
            "limit": allowed.total_seconds(),
            "repeat": spec.monitoring.repeat_alerts.total_seconds(),
            "mlops_conn_id": mlops_conn_id,
            "notifiers": to_recipes(check_notifiers(notifiers)),
        },
    )
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=allowed,
        callback=callback,
        name=f"{spec.name}: late release",
    )


async def tell_of_late_release(
    *,
    model: str,
    limit: float,
    repeat: float,
    mlops_conn_id: str | None,
    notifiers: Sequence[Mapping[str, Any]],
    context: Mapping[str, Any],
) -> str:
    """What the triggerer calls when the deadline has passed; Airflow keeps the returned line.

    :param limit: seconds that the release was allowed; ``repeat``: seconds after which an alert is told again.
    :param notifiers: recipes.
    :param context: of Airflow: ``dag_run`` as plain values, and ``deadline``.
    """
    dag_run = context["dag_run"]
    if dag_run.get("state") in _OVER:
        return "the release has ended meanwhile"

    def work() -> str:
        return _tell(model, limit, repeat, mlops_conn_id, notifiers, context)

    # In a thread: notifiers and the store wait for others, and the triggerer's loop must not.
    return await asyncio.to_thread(work)


def _tell(
    model: str,
    limit: float,
    repeat: float,
    mlops_conn_id: str | None,
    notifiers: Sequence[Mapping[str, Any]],
    context: Mapping[str, Any],
) -> str:
    from airflow_mlops.core.monitoring.alerts.of_traffic import alert_of_late_release
    from airflow_mlops.hooks.mlops import MlopsHook

    dag_run = context["dag_run"]
    run = f"{dag_run['dag_id']}/{dag_run['dag_run_id']}"
    now = utc_now()
    allowed = timedelta(seconds=limit)
    found = alert_of_late_release(
        model, run=run, began=_began(dag_run, now - allowed), limit=allowed, at=now, link=_page(dag_run)
    )
    conn_id = mlops_conn_id or conf.get("mlops", "conn_id", fallback=MlopsHook.default_conn_name)
    try:
        store = MlopsHook(conn_id).get_conn().store()
        told = tell(
            store,
            model,
            found,
            run=run,
            repeat=timedelta(seconds=repeat),
            notifiers=[from_recipe(one) for one in notifiers],
            context=dict(context),
            log=logger,
            now=now,
        )
    except MlopsError as error:
        logger.error("%s: nobody could be told that %s is late: %s", model, run, harmless(error))
        raise
    return f"{model}: late release {', '.join(name for name, kinds in told.items() if kinds)}"


def _began(dag_run: Mapping[str, Any], otherwise: datetime) -> datetime:
    """When the run was queued."""
    try:
        return datetime.fromisoformat(str(dag_run.get("queued_at")).replace("Z", "+00:00"))
    except ValueError:
        return otherwise


def _page(dag_run: Mapping[str, Any]) -> str:
    """The page of the run in the Airflow UI."""
    base = conf.get("api", "base_url", fallback="http://localhost:8080/").rstrip("/")
    return f"{base}/dags/{dag_run['dag_id']}/runs/{quote(str(dag_run['dag_run_id']), safe='')}"
