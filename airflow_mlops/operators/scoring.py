"""Batch predictions: pin the rows, predict them with the champion, write them by day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from airflow_mlops.core.errors import EndpointError, NoRows, SpecError
from airflow_mlops.core.wording import counted, second
from airflow_mlops.operators.base import MlopsOperator, Work
from airflow_mlops.operators.data import dataset_result
from airflow_mlops.operators.rollout import number_of
from airflow_mlops.operators.transform import BatchTransformOperator
from airflow_mlops.platform import SAGEMAKER

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_mlops.core.lineage.datasets import Lineage
    from airflow_mlops.core.scoring.plan import Plan
    from airflow_mlops.core.scoring.run import Recorded
    from airflow_mlops.core.serving.sagemaker_transform import BatchTransform
    from airflow_mlops.core.serving.transform_rows import Predicted, Staged

#: How a template renders a value that is not there.
_NONE = (None, "", "None")
#: So many reasons for setting rows aside are told in the result; all stand in the log of predictions.
_TOLD = 10


class SnapshotScoringOperator(MlopsOperator):
    """Pin the rows of ``scoring.source`` that a run is about as a dataset version ``<model>__scoring``.

    Columns of ``data.joins`` that the source does not have are joined to them.

    Returns what :class:`~airflow_mlops.operators.data.SnapshotOperator` does, and ``{"since", "until", "at"}``: the
    period, and the time by whose champion it is scored. Skipped when no row lies in the period.

    :param since: first event time to score, ISO 8601. (templated)
    :param until: event time before which rows are scored, ISO 8601. (templated)
    """

    template_fields: Sequence[str] = (*MlopsOperator.template_fields, "since", "until")

    def __init__(self, *, since: Any = None, until: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.since = since
        self.until = until

    def given(self) -> Lineage:
        """The source that is to be pinned."""
        from airflow_mlops.core.lineage.given import source_given

        return source_given(self._data_uri, (self._field("scoring") or {}).get("source"))

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Pin them, or skip."""
        from airflow_mlops.core.lineage.stages import derive_lineage, snapshot_lineage
        from airflow_mlops.core.scoring.origin import joined
        from airflow_mlops.core.scoring.source import pin_source, scoring_of
        from airflow_mlops.operators.scoring_period import scoring_period

        zone = str(getattr(getattr(context.get("dag"), "timezone", None), "name", "UTC"))
        period = scoring_period(context, scoring_of(work.spec), since=self.since, until=self.until, zone=zone)
        try:
            version = pin_source(
                work.store,
                work.platform.data(),
                work.spec,
                since=period.since,
                until=period.until,
                progress=self.progress,
            )
        except NoRows as error:
            raise AirflowSkipException(str(error)) from None
        self.declare(lambda: snapshot_lineage(work.platform.data_uri, version, work.store.uri))
        self.progress(
            f"{counted(version.rows, 'row')} of {counted(len(version.files), 'file')} to be scored, "
            f"{second(version.first_event)} to {second(version.last_event)} UTC"
        )
        whole = joined(
            work.store, work.platform.data(), work.spec, version, by=work.who, progress=self.progress
        )
        added = {f"{work.spec.name}__{one.name}": one.columns for one in work.spec.data.joins}
        self.declare(
            lambda: snapshot_lineage(work.platform.data_uri, version, work.store.uri).then(
                derive_lineage(version, whole, work.store.uri, added)
            )
        )
        return {**dataset_result(whole), **period.to_dict()}


class ScoreOperator(BatchTransformOperator):
    """Predict the rows of a dataset version with the champion, and write the predictions by day.

    In this task, or in a batch transform job on SageMaker where the endpoint is there; the task then waits, deferred.
    The predictions lie below ``predictions/<model>/date=YYYY-MM-DD/``; what is current says
    :func:`~airflow_mlops.core.scoring.reading.read_predictions`. The same rows, predicted by the same version, are
    scored once. While the fallback rule answers, it predicts, in this task.

    Returns ``{"model", "entry", "new", "version", "variant", "rows", "set_aside", "reasons", "quarantine",
    "partitions", "dataset", "scored_at"}``; ``version`` is None for the fallback rule, ``partitions`` are days. Outlets
    get an event with the same.

    :param dataset: what :class:`SnapshotScoringOperator` returned. (templated)
    :param version: number of the version that predicts; None for the champion of the period. (templated)
    """

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Score, or begin to."""
        from airflow_mlops.core.scoring.run import recorded, score

        plan = self._plan(work, context)
        found = recorded(work.store, plan)
        if found is None and plan.choice.rule is None and work.platform.endpoint_url == SAGEMAKER:
            return super().work(work, context)
        done = found or score(work.store, plan, by=work.who, run=work.run, progress=self.progress)
        return self._told(work, context, plan, done)

    def stage(self, work: Work, context: Context, batch: BatchTransform) -> Staged:
        """The rows that fit the model, as they were staged by the first try."""
        from airflow_mlops.core.scoring.run import fitting_rows
        from airflow_mlops.core.serving.transform_rows import stage

        plan = self._plan(work, context)
        version, record = plan.choice.version, plan.choice.record
        if version is None or record is None:
            raise SpecError("a rule predicts in the task, not on SageMaker")
        rows = fitting_rows(work.store, plan)
        return stage(work.store, batch.prefix, version, record, plan.dataset, self.progress, rows=rows)

    def conclude(
        self, work: Work, context: Context, batch: BatchTransform, done: Predicted
    ) -> dict[str, Any]:
        """Write the answers as predictions.

        :raises EndpointError: if the fallback rule answered some rows: then the model failed on them.
        """
        from airflow_mlops.core.scoring.predicting import answered
        from airflow_mlops.core.scoring.run import score
        from airflow_mlops.core.serving.transform_rows import read_predictions

        if done.fallback_rows:
            raise EndpointError(
                f"version {done.version} failed on a batch of rows",
                given=f"the fallback rule answered {done.fallback_rows:,} of {done.rows:,} rows",
                remedy="its log on SageMaker says why; mend it and clear the task",
            )
        plan = self._plan(work, context)
        answers = answered(read_predictions(work.store, batch.prefix))
        scored = score(work.store, plan, by=work.who, run=work.run, predict=answers, progress=self.progress)
        return self._told(work, context, plan, scored)

    def _plan(self, work: Work, context: Context) -> Plan:
        from airflow_mlops.core.data.reading import load_version
        from airflow_mlops.core.scoring.plan import plan_scoring
        from airflow_mlops.operators.scoring_period import scored_at

        try:
            name, version_id = self.dataset["dataset"], self.dataset["id"]
        except (TypeError, KeyError):
            raise SpecError(
                "dataset is not a dataset version",
                given=repr(self.dataset)[:80],
                expected="the output of SnapshotScoringOperator",
            ) from None
        dataset = load_version(
            work.store, name, version_id, root=work.platform.data(), progress=self.progress
        )
        number = None if self.version in _NONE else number_of(self.version)
        return plan_scoring(
            work.store, work.spec, dataset, at=scored_at(context, self.dataset), version=number
        )

    def _told(self, work: Work, context: Context, plan: Plan, done: Recorded) -> dict[str, Any]:
        """Say what was scored: in the log, as lineage, as asset event, as result."""
        from airflow_mlops.core.lineage.scoring import score_lineage

        entry = done.entry
        self.declare(lambda: score_lineage(plan.dataset, done.number, entry, work.store.uri))
        how = "are predicted" if done.new else "were predicted before"
        self.progress(
            f"{entry.rows:,} rows {how} by {entry.variant}, in {len(entry.partitions)} partitions of "
            f"{work.store.uri}/predictions/{entry.model} (entry {done.number})"
        )
        if entry.variant == "fallback":
            self.log.warning("the fallback rule predicted: no version of %s is the champion", entry.model)
        for reason, count in list(entry.reasons.items())[:_TOLD]:
            self.log.warning("%s rows are set aside: %s", f"{count:,}", reason)
        result: dict[str, Any] = {
            "model": entry.model,
            "entry": done.number,
            "new": done.new,
            "version": entry.version,
            "variant": entry.variant,
            "rows": entry.rows,
            "set_aside": entry.set_aside,
            "reasons": dict(list(entry.reasons.items())[:_TOLD]),
            "quarantine": entry.quarantine,
            "partitions": [day.isoformat() for day in entry.days],
            "dataset": f"{entry.dataset.name}@{entry.dataset.id}",
            "scored_at": entry.scored_at.isoformat(),
        }
        for outlet in self.outlets:
            context["outlet_events"][outlet].extra = result
        return result
