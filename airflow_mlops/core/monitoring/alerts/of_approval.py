"""What people should know when an approval waits for them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from airflow_mlops.core.monitoring.alerts import severity as alert_severity
from airflow_mlops.core.monitoring.alerts.alert import Alert, Found
from airflow_mlops.core.wording import moment


def alert_of_approval(
    model: str,
    version: int,
    *,
    task: str,
    reasons: Sequence[str],
    users: Sequence[str],
    until: datetime,
    at: datetime,
    link: str | None = None,
) -> Found:
    """That a version waits for a person's word.

    :param task: what makes two questions the same: run and task.
    :param reasons: why people are asked, in words.
    :param users: ids of who may answer; empty for everybody who may run the DAG.
    :param until: no answer by then is a no.
    """
    who = f"Asked are {', '.join(users)}" if users else "Everybody may answer who may run the DAG"
    alert = Alert(
        model=model,
        kind="approval",
        severity=alert_severity.ALWAYS["approval"],
        title=f"{model}: version {version} waits for approval",
        how_bad=f"No answer before {moment(until)} is a no.",
        since=at,
        details=(*(f"Because {reason}" for reason in reasons), who),
        link=link,
        next_step="Next: open the run's required action, read the evidence, and approve or reject.",
        cause=task,
        lasts=False,
        at=at,
    )
    return Found((alert,))
