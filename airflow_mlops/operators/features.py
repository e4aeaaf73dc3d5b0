"""Look for features that leak the outcome, and for features that differ between training and the endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.core.errors import FeatureError, SpecError
from airflow_mlops.operators.base import MlopsOperator, Work
from airflow_mlops.operators.data import DatasetOperator, load_dataset

if TYPE_CHECKING:
    from airflow.sdk import Context


class LeakageOperator(DatasetOperator):
    """Look for features that know the outcome or change when the future is cut off; see ``features.leakage``.

    Returns ``{"ref", "passed", "leaks", "changed", "strongest", "auc"}``; the report lies in the store. It is also
    pushed as XCom ``leakage``, so that it is there when the task fails. The version is compared with the one that the
    champion learned from.

    :param dataset: what the snapshot or the join returned. (templated)
    """

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Look, keep the report, and stop on a leak of severity ``fail``."""
        from airflow_mlops.core.lineage.checking import leakage_lineage
        from airflow_mlops.core.registry.champion_data import champion_data
        from airflow_mlops.core.store.results import keep
        from airflow_mlops.core.training.leakage import check_leakage, explain

        version = load_dataset(work, self.dataset, self.progress)
        root = work.platform.data()
        earlier = champion_data(work.store, work.spec.name, root=root, progress=self.progress)
        report = check_leakage(
            work.store, work.spec, version, root=root, earlier=earlier, progress=self.progress
        )
        self.declare(lambda: leakage_lineage(version, report, work.store.uri))
        small = {
            "ref": keep(work.store, report),
            "passed": report.passed,
            "leaks": list(report.leaks),
            "changed": sorted({one.feature for one in report.changes}),
            "strongest": report.strengths[0].feature,
            "auc": round(report.strengths[0].auc, 4),
        }
        context["ti"].xcom_push(key="leakage", value=small)
        for note in report.notes:
            self.progress(note)
        if not report.passed and report.severity == "fail":
            raise FeatureError(
                explain(report),
                remedy="leave them out of features.columns, or raise features.leakage.max_auc if known in time",
            )
        (self.progress if report.passed else self.log.warning)(explain(report))
        return small


class SkewOperator(MlopsOperator):
    """Compute the features of captured requests again on the training path; a difference fails the task.

    Returns ``{"ref", "outcome", "requests", "rows", "features", "answers"}``; the report lies in the store. It is also
    pushed as XCom ``skew``. Without a champion or traffic the outcome is ``inconclusive``.

    :param requests: how many of the newest requests; None takes ``monitoring.skew_requests``. (templated)
    """

    template_fields = (*MlopsOperator.template_fields, "requests")
    reads = ("captures",)

    def __init__(self, *, requests: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.requests = requests

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Compare, keep the report, and fail on skew."""
        from airflow_mlops.core.lineage.checking import skew_lineage
        from airflow_mlops.core.monitoring.skew import check_skew, explain
        from airflow_mlops.core.store.results import keep

        report = check_skew(
            work.store,
            work.platform.endpoint(work.spec.name),
            work.spec,
            requests=_count(self.requests, work.spec.monitoring.skew_requests),
            progress=self.progress,
        )
        self.declare(lambda: skew_lineage(report, work.store.uri))
        small = {
            "ref": keep(work.store, report),
            "outcome": report.outcome,
            "requests": report.requests,
            "rows": report.rows,
            "features": [one.feature for one in report.features],
            "answers": report.answers,
        }
        context["ti"].xcom_push(key="skew", value=small)
        if report.outcome == "skew":
            raise FeatureError(
                explain(report),
                expected="equal features in training and at the endpoint",
                remedy="compute each row from its own columns: no local time, and nothing that depends on the batch",
            )
        self.progress(explain(report))
        return small


def _count(given: Any, default: int) -> int:
    try:
        return default if given in (None, "") else int(given)
    except (TypeError, ValueError):
        raise SpecError(
            "requests is not a number", given=repr(given)[:80], expected="a whole number, at least 1"
        ) from None
