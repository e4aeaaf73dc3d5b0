"""The reports of the newest looks at a version, for links: the logs name them, and the older ones are in the store."""

from __future__ import annotations

from collections.abc import Iterator

from airflow_mlops.core.card.dossier import Dossier
from airflow_mlops.core.monitoring.look import Look
from airflow_mlops.core.monitoring.performance.report import PerformanceReport
from airflow_mlops.core.monitoring.report import DriftReport
from airflow_mlops.core.store import Store
from airflow_mlops.core.wording import moment
from airflow_mlops.ui.version_parts.sections import Report
from airflow_mlops.ui.version_parts.stored import recalled

#: Looks whose reports are linked.
_MOST = 5


def newest_reports(store: Store, dossier: Dossier) -> tuple[Report, ...]:
    """The pages of the newest looks, the newest first; those that were not drawn, or are gone, are left out."""
    return tuple(one for look in dossier.looks[: -_MOST - 1 : -1] for one in _of(store, look))


def _of(store: Store, look: Look) -> Iterator[Report]:
    until = moment(look.until)
    performance = recalled(store, look.performance, PerformanceReport)
    if performance is not None and performance.page and look.performance:
        yield Report(
            "performance", performance.page, look.performance, f"Performance until {until}", shown=False
        )
    drift = recalled(store, look.drift, DriftReport)
    if drift is not None and drift.report_html:
        title = f"Drift until {until}: a file to keep, since it runs scripts"
        yield Report("drift", drift.report_html, look.drift, title, shown=False)
