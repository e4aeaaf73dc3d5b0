"""Train, evaluate and register a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.core.errors import GateFailed, SpecError
from airflow_mlops.core.wording import day
from airflow_mlops.links.addresses import stored_page
from airflow_mlops.links.pages import EvaluationLink, ModelLink, VersionLink
from airflow_mlops.operators.base import MlopsOperator, Work
from airflow_mlops.operators.data import load_dataset
from airflow_mlops.operators.mirroring import mirror
from airflow_mlops.operators.training_job import TrainingJobOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_mlops.core.data.version import DatasetVersion
    from airflow_mlops.core.training.artifact import TrainedModel


class TrainOperator(TrainingJobOperator):
    """Fit the model on a dataset version, with the spec's seed: the same inputs give the same bytes.

    In this task, or in a job on SageMaker where the connection's ``trainer`` says so. Returns ``{"ref", "artifact",
    "rows", "rounds", "seconds"}``, with a job also ``job`` and ``billable_seconds`` (of each machine).

    :param dataset: what :class:`~airflow_mlops.operators.data.SnapshotOperator` returned. (templated)
    :param deferrable: wait for a job without holding a worker.
    """

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Train and keep the result."""
        from airflow_mlops.core.training.run import train

        version = load_dataset(work, self.dataset, self.progress)
        training = work.platform.training(work.spec.name)
        if training is not None:
            return self.train_in_job(work, training, version, context)
        return self.trained(work, version, train(work.store, work.spec, version, progress=self.progress))

    def trained(
        self, work: Work, version: DatasetVersion, trained: TrainedModel, job: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Keep the result."""
        from airflow_mlops.core.lineage.stages import train_lineage
        from airflow_mlops.core.store.results import keep

        joins = work.spec.to_dict()["data"]["joins"]
        self.declare(lambda: train_lineage(version, trained, work.store.uri, joins))
        return {
            "ref": keep(work.store, trained),
            "artifact": trained.artifact,
            "rows": trained.train_rows,
            "rounds": trained.rounds,
            "seconds": round(trained.seconds, 1),
            **(job or {}),
        }


class EvaluateOperator(MlopsOperator):
    """Score the trained model and the champion on the same held-out rows, and hold the spec's gates against them.

    Returns ``{"ref", "metrics", "champion", "champion_version", "page"}``; a failed gate fails the task and names gate,
    value and limit. ``page`` is the hash of the report, which is there also when a gate fails.

    :param dataset: what the snapshot returned. (templated)
    :param trained: what :class:`TrainOperator` returned. (templated)
    """

    template_fields = (*MlopsOperator.template_fields, "dataset", "trained")
    operator_extra_links = (ModelLink(), EvaluationLink())

    def __init__(self, *, dataset: Any, trained: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset
        self.trained = trained

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Evaluate, keep the result, and stop when a gate does not pass."""
        from airflow_mlops.core.evaluation.page import with_page
        from airflow_mlops.core.evaluation.run import evaluate, explain
        from airflow_mlops.core.lineage.stages import evaluate_lineage
        from airflow_mlops.core.store.results import keep, recall
        from airflow_mlops.core.training.artifact import TrainedModel

        version = load_dataset(work, self.dataset, self.progress)
        trained = recall(work.store, reference(self.trained, "trained"), TrainedModel)
        champion = work.conductor().rival(trained.artifact)
        found = evaluate(work.store, work.spec, version, trained, champion=champion, progress=self.progress)
        title = f"{work.spec.name}: evaluation on the data until {day(version.last_event)}"
        result = with_page(work.store, found, title=title, spec=work.spec, dataset=version, run=work.run)
        self.declare(lambda: evaluate_lineage(version, trained, result, work.store.uri))
        small = {
            "ref": keep(work.store, result),
            "metrics": result.metrics,
            "champion": result.champion,
            "champion_version": result.champion_version,
            "page": result.page,
        }
        report = f"report: airflow-mlops evaluation report {small['ref']} --store {work.store.uri} --out report.html"
        context["ti"].xcom_push(key="evaluation", value=small)
        if result.page:
            # No log names the report of a model that is refused: the model and the evaluation do, together.
            named_by = reference(self.trained, "trained") + reference(small, "evaluation")
            address = stored_page(work.spec.name, "evaluation", result.page, of=named_by)
            context["ti"].xcom_push(key=EvaluationLink.key, value=address)
        if not result.passed:
            refusing = tuple(one for one in result.gates if not one.passed)
            raise GateFailed(explain(result), gates=refusing, remedy=report)
        self.progress(explain(result))
        self.progress(report)
        return small


class RegisterOperator(MlopsOperator):
    """Give the trained model a version number and a record; a retry finds the version of its first try.

    Returns ``{"model", "version"}``.

    :param dataset: what the snapshot returned. (templated)
    :param trained: what the training returned. (templated)
    :param evaluation: what the evaluation returned. (templated)
    :param validation: what the validation returned, None if the data was not validated. (templated)
    :param audit: what the audit of the labels returned, None if there was none. (templated)
    """

    template_fields = (
        *MlopsOperator.template_fields,
        "dataset",
        "trained",
        "evaluation",
        "validation",
        "audit",
    )
    operator_extra_links = (ModelLink(), VersionLink())

    def __init__(
        self,
        *,
        dataset: Any,
        trained: Any,
        evaluation: Any,
        validation: Any = None,
        audit: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset
        self.trained = trained
        self.evaluation = evaluation
        self.validation = validation
        self.audit = audit

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Register, if the card says what the spec requires."""
        from airflow_mlops.core.card.gate import require_card
        from airflow_mlops.core.data.version import DatasetRef
        from airflow_mlops.core.evaluation.report import Evaluation
        from airflow_mlops.core.lineage.stages import register_lineage
        from airflow_mlops.core.monitoring.retraining.loop import shaped_share
        from airflow_mlops.core.registry.version import RunRef
        from airflow_mlops.core.registry.versions import Registry
        from airflow_mlops.core.store.results import recall
        from airflow_mlops.core.training.artifact import TrainedModel
        from airflow_mlops.core.validation.result import ValidationResult

        dag_run = context["dag_run"]
        version = load_dataset(work, self.dataset, self.progress)
        evaluation = recall(work.store, reference(self.evaluation, "evaluation"), Evaluation)
        validation = reference(self.validation, "validation") if self.validation else None
        tested = recall(work.store, validation, ValidationResult) if validation else None
        require_card(work.spec, evaluation, tested)
        number, record = Registry(work.store, work.spec.name).register(
            trained=recall(work.store, reference(self.trained, "trained"), TrainedModel),
            evaluation=evaluation,
            dataset=DatasetRef(name=version.name, id=version.id),
            spec=work.spec,
            validation=validation,
            audit=reference(self.audit, "audit") if self.audit else None,
            shaped=shaped_share(work.store, work.spec.name, version),
            run=RunRef(dag_id=dag_run.dag_id, run_id=dag_run.run_id),
            by=work.who,
        )
        self.declare(lambda: register_lineage(version, number, record, work.store.uri))
        shaped = f"; answers of earlier versions may have shaped {record.shaped:.0%} of its rows" * bool(
            record.shaped
        )
        self.progress(f"{work.spec.name} version {number} is registered{shaped}")
        mirror(self, work, number)
        self.about(work, number, context)
        return {"model": work.spec.name, "version": number}


def reference(value: Any, name: str) -> str:
    """The ``ref`` in an upstream task's result.

    :raises SpecError: if there is none.
    """
    if isinstance(value, dict) and isinstance(value.get("ref"), str):
        return str(value["ref"])
    raise SpecError(
        f"{name} is not a stage's result", given=repr(value)[:80], expected="a mapping with a ref"
    )
