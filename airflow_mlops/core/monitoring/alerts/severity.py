"""How loud each alert is: all rules in one place.

============== ======== =================================================================================
kind           severity when
============== ======== =================================================================================
drift          warning  the drifted columns carry at least ``monitoring.retrain.drift_share`` of the importance, one
                        of them ``monitoring.retrain.important``, or no column shows the change alone
               info     less than that
decay          critical a performance gate fails on labels
               warning  it fails on an estimate
blocked        critical what serves after the release was not proved
release        warning  the champion before keeps serving
rollback       critical it failed
               warning  the model went back
fallback       critical the rule answers instead of a model
unhealthy      critical the champion fails its requests, or the endpoint does not follow the deployment log
missing labels warning  always
stale data     warning  always
late release   warning  always: the champion keeps serving
retraining     warning  it is needed, and a limit holds it back (budget, loop)
               info     it is asked for
approval       warning  always: a version waits for a person, and no answer in time is a no
============== ======== =================================================================================

``critical``: users get wrong or no answers now. ``warning``: somebody should look today. ``info``: good to know.
What is resolved is ``info``.
"""

from __future__ import annotations

from airflow_mlops.core.monitoring.alerts.alert import Kind, Severity
from airflow_mlops.core.monitoring.report import DriftReport
from airflow_mlops.spec import ModelSpec

#: Kinds that are always as loud.
ALWAYS: dict[Kind, Severity] = {
    "fallback": "critical",
    "unhealthy": "critical",
    "missing labels": "warning",
    "stale data": "warning",
    "late release": "warning",
    "approval": "warning",
}


def of_drift(spec: ModelSpec, report: DriftReport) -> Severity:
    """Of live traffic that has changed."""
    retrain = spec.monitoring.retrain
    important = any(one.importance >= retrain.important for one in report.findings)
    only_together = not report.drifted
    return "warning" if only_together or important or report.share >= retrain.drift_share else "info"


def of_decay(judged_on: str | None) -> Severity:
    """Of a failed performance gate. :param judged_on: ``measured`` or ``estimated``."""
    return "critical" if judged_on == "measured" else "warning"


def of_blocked_release(*, proved: bool) -> Severity:
    """Of a release that promoted nothing. :param proved: whether the champion was seen to serve afterwards."""
    return "warning" if proved else "critical"


def of_rollback(*, done: bool) -> Severity:
    """Of a way back."""
    return "warning" if done else "critical"


def of_retraining(*, held_back: bool) -> Severity:
    """Of retraining that is asked for, or needed and held back."""
    return "warning" if held_back else "info"
